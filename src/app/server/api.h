#pragma once

// The REST API over a server's parts: /api/v1.

#include <functional>
#include <mutex>
#include <string>

#include "metadata/database.h"
#include "net/router.h"
#include "orchestration/orchestrator.h"
#include "project/project.h"
#include "serve/endpoint.h"
#include "server/event_log.h"
#include "storage/object_store.h"

namespace millrace::server {

/// What the API speaks of; all of it outlives the router.
struct Parts {
  const project::Project& project;
  const Clock& clock;
  metadata::Database& database;
  storage::ObjectStore& models;
  orchestration::Orchestrator& orchestrator;
  EventLog& events;
  serve::Endpoint& endpoint;
  std::mutex& deploying;  // one switch of the endpoint at a time, so that the latest tag wins
  Instant started_at;
  std::function<void()> request_stop;
};

/// Everything: for the socket that only this user may open.
net::Router make_api(const Parts& parts);
/// GET /api/v1/status alone: for TCP.
net::Router make_status_api(const Parts& parts);

/// Lets the endpoint serve the version in Production. Returns it. Errors: NotFound when none is.
Result<std::int64_t> deploy_production(const Parts& parts, const std::string& model);

}  // namespace millrace::server
