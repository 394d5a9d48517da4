#pragma once

// The REST API over a server's parts: /api/v1.

#include <functional>
#include <string>

#include "metadata/database.h"
#include "net/router.h"
#include "orchestration/orchestrator.h"
#include "project/project.h"
#include "serve/endpoint.h"
#include "server/dag_reload.h"
#include "server/deployer.h"
#include "server/event_log.h"
#include "server/running_program.h"

namespace millrace::server {

/// What the API speaks of; all of it outlives the router.
struct Parts {
  const project::Project& project;
  const Clock& clock;
  metadata::Database& database;
  orchestration::Orchestrator& orchestrator;
  EventLog& events;
  serve::Endpoint& endpoint;
  Deployer& deployer;
  const RunningProgram& program;
  DagReload& reload;
  bool resident = true;  // or lives for one command
  Instant started_at;
  std::function<Status()> check_place;          // ProjectLock's
  std::function<std::string()> status_address;  // "" when nothing listens on TCP
  std::function<void(orchestration::LiveAttempts)> request_stop;
};

/// Everything: for the socket that only this user may open.
net::Router make_api(const Parts& parts);
/// GET /api/v1/status, and / that names it: for TCP.
net::Router make_status_api(const Parts& parts);

}  // namespace millrace::server
