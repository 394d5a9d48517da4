#pragma once

// Which versions of a model there are, where their bytes lie, and which one is in Production.
//
// Bytes go into an ObjectStore, by content: models/<model>/<content id>/model.tar.gz and
// manifest.json, where the content id is the SHA-256 of manifest.json, which holds that of the
// artefact. So nothing there is ever overwritten, and a changed byte shows.
//
// Everything else is rows, written through a Transaction of the caller, who joins them with what
// they belong to (a task's success). The history of tags is only ever appended to.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "metadata/database.h"
#include "model/manifest.h"
#include "storage/object_store.h"

namespace millrace::model {

/// The tag of the version that serves.
inline constexpr std::string_view kProduction = "Production";

/// Letters, digits, '_', '-' and '.', beginning with a letter or digit, at most 128. Errors:
/// Invalid.
Status check_model_name(std::string_view name);

// Bytes.

/// A model whose bytes are safe in the store.
struct StoredModel {
  Manifest manifest;
  std::string content_id;
};

/// Writes what is not there yet; may be repeated. Errors: Invalid (the model's name, or the
/// manifest is not that of the artefact), and those of ObjectStore::put_if_absent.
Result<StoredModel> put_model(storage::ObjectStore& store, std::string_view artefact,
                              const Manifest& manifest);

struct LoadedModel {
  std::string artefact;
  Manifest manifest;
};

/// Errors: NotFound, Corruption when a byte is not the one that was written.
Result<LoadedModel> get_model(storage::ObjectStore& store, const std::string& model,
                              const std::string& content_id);

// Rows.

/// Makes or brings up to date this room's tables.
Status migrate_model_store(metadata::Database& database);

enum class VersionState {
  Registered,  // not judged yet
  Accepted,    // the gate let it through
  Refused,     // it did not; `reasons` says why
};
std::string_view to_string(VersionState state);

struct ModelVersion {
  std::string model;
  std::int64_t version = 0;  // counts from 1 for each model
  std::string content_id;
  std::string artefact_sha256;
  std::string run_id;
  std::int64_t generation = 0;
  Instant registered_at;
  VersionState state = VersionState::Registered;
  std::vector<std::string> reasons;  // the gate's sentences
  std::map<std::string, double> metrics;
  std::vector<std::string> tags;  // that it carries now

  bool operator==(const ModelVersion&) const = default;
  Json to_json() const;
};

/// Gives the model its next version. The same (model, run id, generation) again gives the version
/// that it got the first time, unchanged, so a retried task registers nothing twice.
Result<ModelVersion> register_version(metadata::Transaction& transaction, const StoredModel& model,
                                      Instant now);

/// Writes the gate's decision to the version; the last one counts. `metrics` replace those that the
/// manifest brought. Errors: NotFound.
Status record_verdict(metadata::Transaction& transaction, const std::string& model,
                      std::int64_t version, VersionState state,
                      const std::vector<std::string>& reasons,
                      const std::map<std::string, double>& metrics);

/// Why a tag was moved.
struct TagChange {
  std::string who;  // a run or a person
  std::string why;
  Instant at;
};

/// Moves the tag to the version. A version that carries it already is left as it is, without an
/// entry in the history. Errors: NotFound with the versions that there are.
Status tag(metadata::Transaction& transaction, const std::string& model, std::int64_t version,
           std::string_view tag, const TagChange& change);

/// Moves the tag back to the version that carried it before the current one was tagged, and once
/// more to the one before that: a rollback is not itself rolled back to. The first one is taken out:
/// no version carries the tag then. Returns the version that carries it now, or nothing. Errors:
/// NotFound when none carries it.
Result<std::optional<std::int64_t>> rollback(metadata::Transaction& transaction,
                                             const std::string& model, const TagChange& change,
                                             std::string_view tag = kProduction);

/// The versions that rollbacks would return to, one after the other, at most `limit`. A version that
/// carried the tag several times may stand there several times.
Result<std::vector<ModelVersion>> versions_before(metadata::Transaction& transaction,
                                                  const std::string& model,
                                                  std::string_view tag = kProduction,
                                                  int limit = 20);

/// The version that carries the tag, or nothing.
Result<std::optional<ModelVersion>> tagged_version(metadata::Transaction& transaction,
                                                   const std::string& model,
                                                   std::string_view tag = kProduction);
/// Errors: NotFound with a suggestion.
Result<ModelVersion> get_version(metadata::Transaction& transaction, const std::string& model,
                                 std::int64_t version);
/// Newest first.
Result<std::vector<ModelVersion>> list_versions(metadata::Transaction& transaction,
                                                const std::string& model, int limit = 1000);
/// The names of all models, sorted.
Result<std::vector<std::string>> list_models(metadata::Transaction& transaction, int limit = 1000);

/// One move of a tag.
struct TagEvent {
  std::int64_t sequence = 0;  // counts from 1 for each model
  std::string tag;
  std::optional<std::int64_t> version;  // nothing: it was taken from the one that carried it first
  bool is_rollback = false;
  TagChange change;

  Json to_json() const;
};

/// Newest first.
Result<std::vector<TagEvent>> tag_history(metadata::Transaction& transaction,
                                          const std::string& model, int limit = 1000);

}  // namespace millrace::model
