#pragma once

// Which version of a model answers: the endpoint follows the tag Production.
//
// A version is loaded, and its golden rows are scored, before the tag moves to it. So what carries
// the tag could answer, and what cannot answer changes nothing: neither the tag nor the endpoint.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "metadata/database.h"
#include "model/model_store.h"
#include "serve/endpoint.h"
#include "storage/object_store.h"

namespace millrace::server {

/// Safe from several threads: one switch at a time, so that the latest tag wins.
class Deployer {
 public:
  /// All of it outlives the Deployer.
  Deployer(metadata::Database& database, storage::ObjectStore& models, serve::Endpoint& endpoint,
           const Clock& clock)
      : database_(database), models_(models), endpoint_(endpoint), clock_(clock) {}

  /// Puts the version into Production and lets it answer. Errors: NotFound, and those of
  /// serve::load_version.
  Status promote(const std::string& model, std::int64_t version, const model::TagChange& change);
  /// Puts back the version that was in Production before. Returns it; nothing when there was none:
  /// then no version is in Production any more, and nothing answers. Errors: NotFound when none is
  /// there now, Conflict when another one went into Production meanwhile, and those of
  /// serve::load_version.
  Result<std::optional<std::int64_t>> roll_back(const std::string& model,
                                                const model::TagChange& change);
  /// Lets the version answer that is in Production. Returns it. Errors: as above.
  Result<std::int64_t> deploy(const std::string& model);

  /// For the start: deploys every model. One whose version in Production cannot be loaded is
  /// answered by the version that was there before it, which the log and the status say; the tag
  /// stays where it is. A model of which none can be loaded keeps neither the others nor the server
  /// from coming up.
  void deploy_all();

 private:
  Result<serve::LoadedVersion> load(const model::ModelVersion& version);
  Result<std::optional<model::ModelVersion>> production(const std::string& model);
  void deploy_or_fall_back(const std::string& model);

  metadata::Database& database_;
  storage::ObjectStore& models_;
  serve::Endpoint& endpoint_;
  const Clock& clock_;
  std::mutex one_at_a_time_;
};

}  // namespace millrace::server
