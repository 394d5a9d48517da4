#include "server/deployer.h"

#include <fmt/core.h>

#include "base/log.h"

namespace millrace::server {
namespace {

using metadata::Transaction;
using model::ModelVersion;

}  // namespace

Result<serve::LoadedVersion> Deployer::load(const ModelVersion& version) {
  const std::string what = fmt::format("loading {} version {}", version.model, version.version);
  model::LoadedModel stored =
      TRY_DOING(what, model::get_model(models_, version.model, version.content_id));
  return serve::load_version(version.version, stored.artefact, std::move(stored.manifest));
}

Result<std::optional<ModelVersion>> Deployer::production(const std::string& model) {
  std::optional<ModelVersion> version;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    version = TRY(model::tagged_version(transaction, model));
    return {};
  }));
  return version;
}

Status Deployer::promote(const std::string& model, std::int64_t version,
                         const model::TagChange& change) {
  const std::lock_guard lock(one_at_a_time_);
  std::optional<ModelVersion> next;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    next = TRY(model::get_version(transaction, model, version));
    return {};
  }));
  serve::LoadedVersion loaded = TRY(load(*next));
  TRY(database_.write([&](Transaction& transaction) {
    return model::tag(transaction, model, version, model::kProduction, change);
  }));
  endpoint_.switch_to(std::move(loaded), clock_.now());
  return {};
}

Result<std::optional<std::int64_t>> Deployer::roll_back(const std::string& model,
                                                        const model::TagChange& change) {
  const std::lock_guard lock(one_at_a_time_);
  std::vector<ModelVersion> before;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    before = TRY(model::versions_before(transaction, model, model::kProduction, 1));
    return {};
  }));
  // What is to answer is loaded before anything changes.
  std::optional<serve::LoadedVersion> loaded;
  if (!before.empty()) loaded = TRY(load(before.front()));
  std::optional<std::int64_t> version;
  TRY(database_.write([&](Transaction& transaction) -> Status {
    version = TRY(model::rollback(transaction, model, change));
    if (version == (loaded ? std::optional(loaded->version) : std::nullopt)) return {};
    return Error(
        ErrorCode::Conflict,
        fmt::format("another version of {} went into Production meanwhile; look at it with "
                    "`millrace model ls`, and roll back again if need be",
                    model));
  }));
  if (loaded.has_value())
    endpoint_.switch_to(*std::move(loaded), clock_.now());
  else
    endpoint_.take_out(model);
  return version;
}

Result<std::int64_t> Deployer::deploy(const std::string& model) {
  const std::lock_guard lock(one_at_a_time_);
  const std::optional<ModelVersion> version = TRY(production(model));
  if (!version.has_value())
    return Error(ErrorCode::NotFound,
                 fmt::format("no version of '{}' is in {}", model, model::kProduction));
  endpoint_.switch_to(TRY(load(*version)), clock_.now());
  return version->version;
}

void Deployer::deploy_all() {
  std::vector<std::string> names;
  const Status listed = database_.read([&](Transaction& transaction) -> Status {
    for (const std::string& name : TRY(model::list_models(transaction)))
      if (TRY(model::tagged_version(transaction, name)).has_value()) names.push_back(name);
    return {};
  });
  if (!listed.ok()) log_error("reading the registered models: " + listed.error().message());
  for (const std::string& name : names) deploy_or_fall_back(name);
}

void Deployer::deploy_or_fall_back(const std::string& model) {
  const std::lock_guard lock(one_at_a_time_);
  std::vector<ModelVersion> candidates;
  const Status read = database_.read([&](Transaction& transaction) -> Status {
    if (auto now = TRY(model::tagged_version(transaction, model))) candidates.push_back(*now);
    for (ModelVersion& before : TRY(model::versions_before(transaction, model)))
      candidates.push_back(std::move(before));
    return {};
  });
  if (!read.ok()) log_error(fmt::format("serving {}: {}", model, read.error().message()));
  for (const ModelVersion& candidate : candidates) {
    auto loaded = load(candidate);
    if (!loaded.ok()) {
      log_error(fmt::format("serving {}: {}", model, loaded.error().message()));
      continue;
    }
    const std::int64_t wanted = candidates.front().version;
    if (candidate.version != wanted) {
      loaded->instead_of = wanted;
      log_error(
          fmt::format("serving {0}: version {1}, which was in Production before, answers "
                      "instead of version {2}; put the files of version {2} back and start "
                      "again, or make this one the version in Production: `millrace model "
                      "promote {0} {1}`",
                      model, candidate.version, wanted));
    }
    endpoint_.switch_to(*std::move(loaded), clock_.now());
    return;
  }
  if (read.ok())
    log_error(fmt::format("serving {}: no version of it can be loaded, so nothing answers", model));
}

}  // namespace millrace::server
