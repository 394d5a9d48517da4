#include "model/model_store.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::model {

namespace {

using metadata::Rows;
using metadata::Transaction;

constexpr metadata::Migration kMigrations[] = {
    {1, R"(
CREATE TABLE model_versions (
  model TEXT NOT NULL,
  version BIGINT NOT NULL,
  content_id TEXT NOT NULL,
  artefact_sha256 TEXT NOT NULL,
  run_id TEXT NOT NULL,
  generation BIGINT NOT NULL,
  registered_at BIGINT NOT NULL,
  state TEXT NOT NULL,
  reasons TEXT NOT NULL,
  metrics TEXT NOT NULL,
  PRIMARY KEY (model, version),
  UNIQUE (model, run_id, generation)
);
CREATE TABLE model_tags (
  model TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  tag TEXT NOT NULL,
  version BIGINT NOT NULL,
  is_rollback BIGINT NOT NULL,
  who TEXT NOT NULL,
  why TEXT NOT NULL,
  changed_at BIGINT NOT NULL,
  back_to BIGINT,
  PRIMARY KEY (model, sequence)
);
)"},
};

constexpr std::string_view kVersionColumns =
    "SELECT model, version, content_id, artefact_sha256, run_id, generation, registered_at, state, "
    "reasons, metrics FROM model_versions ";

Instant instant(std::int64_t microseconds) {
  return Instant(Duration(microseconds));
}
std::int64_t microseconds(Instant at) {
  return at.time_since_epoch().count();
}

Json metrics_to_json(const std::map<std::string, double>& metrics) {
  Json json = Json::object();
  for (const auto& [name, value] : metrics) json.set(name, value);
  return json;
}

Result<VersionState> state_from(const std::string& text) {
  for (const VersionState state :
       {VersionState::Registered, VersionState::Accepted, VersionState::Refused}) {
    if (to_string(state) == text) return state;
  }
  return Error(ErrorCode::Corruption, fmt::format("model_versions holds the state '{}'", text));
}

/// A row of kVersionColumns, without its tags.
Result<ModelVersion> version_in(const Rows& rows, std::size_t row) {
  ModelVersion version;
  version.model = rows.text(row, 0);
  version.version = rows.integer(row, 1);
  version.content_id = rows.text(row, 2);
  version.artefact_sha256 = rows.text(row, 3);
  version.run_id = rows.text(row, 4);
  version.generation = rows.integer(row, 5);
  version.registered_at = instant(rows.integer(row, 6));
  version.state = TRY(state_from(rows.text(row, 7)));
  const Json reasons = TRY_DOING("reading model_versions.reasons", Json::parse(rows.text(row, 8)));
  if (reasons.is_array()) {
    for (const Json& reason : reasons.as_array()) {
      if (reason.is_string()) version.reasons.push_back(reason.as_string());
    }
  }
  const Json metrics = TRY_DOING("reading model_versions.metrics", Json::parse(rows.text(row, 9)));
  if (metrics.is_object()) {
    for (const auto& [name, value] : metrics.as_object()) {
      if (value.is_number()) version.metrics[name] = value.as_double();
    }
  }
  return version;
}

/// The version in an entry that takes the tag from the last one that carried it. Nothing goes back to
/// such an entry.
constexpr std::int64_t kNoVersion = 0;

/// The newest entry of each tag: where the tag is.
struct TagPosition {
  std::string tag;
  std::int64_t version = 0;
  std::int64_t sequence = 0;
  std::optional<std::int64_t> back_to;  // sequence of the entry that a rollback returns to
};

Result<std::vector<TagPosition>> tag_positions(Transaction& transaction, const std::string& model) {
  const Rows rows = TRY(transaction.query(
      "SELECT tag, version, sequence, back_to FROM model_tags AS t WHERE model = $1 AND sequence = "
      "(SELECT MAX(sequence) FROM model_tags AS n WHERE n.model = t.model AND n.tag = t.tag) "
      "ORDER BY tag LIMIT 1000",
      {model}));
  std::vector<TagPosition> positions;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    TagPosition position{.tag = rows.text(row, 0),
                         .version = rows.integer(row, 1),
                         .sequence = rows.integer(row, 2),
                         .back_to = std::nullopt};
    if (!rows.is_null(row, 3)) position.back_to = rows.integer(row, 3);
    positions.push_back(std::move(position));
  }
  return positions;
}

/// Nothing when no version carries it, or none any more.
Result<std::optional<TagPosition>> tag_position(Transaction& transaction, const std::string& model,
                                                std::string_view tag) {
  for (TagPosition& position : TRY(tag_positions(transaction, model))) {
    if (position.tag == tag && position.version != kNoVersion)
      return std::optional(std::move(position));
  }
  return std::optional<TagPosition>();
}

/// Where a rollback from `position` puts the tag; nothing when it stood nowhere before.
Result<std::optional<TagPosition>> position_before(Transaction& transaction,
                                                   const std::string& model,
                                                   const TagPosition& position) {
  if (!position.back_to) return std::optional<TagPosition>();
  const Rows rows = TRY(transaction.query(
      "SELECT version, back_to FROM model_tags WHERE model = $1 AND sequence = $2",
      {model, *position.back_to}));
  if (rows.empty()) {
    return Error(ErrorCode::Corruption,
                 fmt::format("model_tags lacks entry {} of model '{}'", *position.back_to, model));
  }
  TagPosition before{.tag = position.tag,
                     .version = rows.integer(0, 0),
                     .sequence = *position.back_to,
                     .back_to = std::nullopt};
  if (!rows.is_null(0, 1)) before.back_to = rows.integer(0, 1);
  return std::optional(std::move(before));
}

void add_tags(const std::vector<TagPosition>& positions, ModelVersion& version) {
  for (const TagPosition& position : positions) {
    if (position.version == version.version) version.tags.push_back(position.tag);
  }
}

/// One more than the largest so far. Two writers at once on PostgreSQL meet at the primary key.
Result<std::int64_t> next_number(Transaction& transaction, std::string_view largest,
                                 const std::string& model) {
  return TRY(transaction.query(largest, {model})).integer(0, 0) + 1;
}

Status append_tag(Transaction& transaction, const std::string& model, const TagPosition& next,
                  bool is_rollback, const TagChange& change) {
  const metadata::Value back_to =
      next.back_to ? metadata::Value(*next.back_to) : metadata::Value(nullptr);
  const std::int64_t sequence =
      TRY(next_number(transaction, "SELECT MAX(sequence) FROM model_tags WHERE model = $1", model));
  TRY(transaction.query(
      "INSERT INTO model_tags (model, sequence, tag, version, is_rollback, who, why, changed_at, "
      "back_to) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      {model, sequence, next.tag, next.version, std::int64_t{is_rollback}, change.who, change.why,
       microseconds(change.at), back_to}));
  return {};
}

/// NotFound with what there is instead, or the Error of looking for that.
Error no_such_version(Transaction& transaction, const std::string& model, std::int64_t version) {
  const Result<std::vector<ModelVersion>> known = list_versions(transaction, model, 1);
  if (!known) return known.error();
  if (!known->empty()) {
    return Error(ErrorCode::NotFound, fmt::format("model '{}' has no version {}; its newest is {}",
                                                  model, version, known->front().version));
  }
  const Result<std::vector<std::string>> models = list_models(transaction);
  if (!models) return models.error();
  return Error(ErrorCode::NotFound,
               fmt::format("there is no model '{}'{}", model, suggestion(model, *models)));
}

}  // namespace

std::string_view to_string(VersionState state) {
  switch (state) {
    case VersionState::Registered:
      return "registered";
    case VersionState::Accepted:
      return "accepted";
    case VersionState::Refused:
      return "refused";
  }
  return "?";
}

Status migrate_model_store(metadata::Database& database) {
  return database.migrate("model", kMigrations);
}

Json ModelVersion::to_json() const {
  return Json::object({{"model", model},
                       {"version", version},
                       {"state", std::string(to_string(state))},
                       {"tags", Json(tags)},
                       {"reasons", Json(reasons)},
                       {"metrics", metrics_to_json(metrics)},
                       {"run_id", run_id},
                       {"generation", generation},
                       {"registered_at", format_instant(registered_at)},
                       {"content_id", content_id},
                       {"artefact_sha256", artefact_sha256}});
}

Json TagEvent::to_json() const {
  return Json::object({{"sequence", sequence},
                       {"tag", tag},
                       {"version", version ? Json(*version) : Json()},
                       {"is_rollback", is_rollback},
                       {"who", change.who},
                       {"why", change.why},
                       {"at", format_instant(change.at)}});
}

Result<ModelVersion> register_version(Transaction& transaction, const StoredModel& model,
                                      Instant now) {
  const Manifest& manifest = model.manifest;
  TRY(check_model_name(manifest.model));
  const Rows same = TRY(transaction.query(
      "SELECT version FROM model_versions WHERE model = $1 AND run_id = $2 AND generation = $3",
      {manifest.model, manifest.run_id, manifest.generation}));
  if (!same.empty()) return get_version(transaction, manifest.model, same.integer(0, 0));
  const std::int64_t version = TRY(next_number(
      transaction, "SELECT MAX(version) FROM model_versions WHERE model = $1", manifest.model));
  TRY(transaction.query(
      "INSERT INTO model_versions (model, version, content_id, artefact_sha256, run_id, "
      "generation, registered_at, state, reasons, metrics) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      {manifest.model, version, model.content_id, manifest.artefact_sha256, manifest.run_id,
       manifest.generation, microseconds(now), std::string(to_string(VersionState::Registered)),
       "[]", metrics_to_json(manifest.metrics).dump()}));
  return get_version(transaction, manifest.model, version);
}

Status record_verdict(Transaction& transaction, const std::string& model, std::int64_t version,
                      VersionState state, const std::vector<std::string>& reasons,
                      const std::map<std::string, double>& metrics) {
  TRY(get_version(transaction, model, version));
  TRY(
      transaction.query("UPDATE model_versions SET state = $3, reasons = $4, metrics = $5 "
                        "WHERE model = $1 AND version = $2",
                        {model, version, std::string(to_string(state)), Json(reasons).dump(),
                         metrics_to_json(metrics).dump()}));
  return {};
}

Status tag(Transaction& transaction, const std::string& model, std::int64_t version,
           std::string_view tag, const TagChange& change) {
  TRY(get_version(transaction, model, version));
  const std::optional<TagPosition> current = TRY(tag_position(transaction, model, tag));
  if (current && current->version == version) return {};
  TagPosition next{
      .tag = std::string(tag), .version = version, .sequence = 0, .back_to = std::nullopt};
  if (current) next.back_to = current->sequence;
  return append_tag(transaction, model, next, false, change);
}

Result<std::optional<std::int64_t>> rollback(Transaction& transaction, const std::string& model,
                                             const TagChange& change, std::string_view tag) {
  const std::optional<TagPosition> current = TRY(tag_position(transaction, model, tag));
  if (!current) {
    return Error(ErrorCode::NotFound,
                 fmt::format("no version of model '{}' carries the tag '{}'", model, tag));
  }
  const std::optional<TagPosition> before = TRY(position_before(transaction, model, *current));
  if (!before) {
    TRY(append_tag(transaction, model, {.tag = std::string(tag), .version = kNoVersion}, true,
                   change));
    return std::optional<std::int64_t>();
  }
  TRY(append_tag(transaction, model, *before, true, change));
  return std::optional(before->version);
}

Result<std::vector<ModelVersion>> versions_before(Transaction& transaction,
                                                  const std::string& model, std::string_view tag,
                                                  int limit) {
  std::vector<ModelVersion> versions;
  std::optional<TagPosition> position = TRY(tag_position(transaction, model, tag));
  while (position && static_cast<int>(versions.size()) < limit) {
    position = TRY(position_before(transaction, model, *position));
    if (position) versions.push_back(TRY(get_version(transaction, model, position->version)));
  }
  return versions;
}

Result<std::optional<ModelVersion>> tagged_version(Transaction& transaction,
                                                   const std::string& model, std::string_view tag) {
  const std::optional<TagPosition> current = TRY(tag_position(transaction, model, tag));
  if (!current) return std::optional<ModelVersion>();
  return std::optional(TRY(get_version(transaction, model, current->version)));
}

Result<ModelVersion> get_version(Transaction& transaction, const std::string& model,
                                 std::int64_t version) {
  const Rows rows = TRY(transaction.query(
      fmt::format("{} WHERE model = $1 AND version = $2", kVersionColumns), {model, version}));
  if (rows.empty()) return no_such_version(transaction, model, version);
  ModelVersion found = TRY(version_in(rows, 0));
  add_tags(TRY(tag_positions(transaction, model)), found);
  return found;
}

Result<std::vector<ModelVersion>> list_versions(Transaction& transaction, const std::string& model,
                                                int limit) {
  const Rows rows = TRY(transaction.query(
      fmt::format("{} WHERE model = $1 ORDER BY version DESC LIMIT $2", kVersionColumns),
      {model, std::int64_t{limit}}));
  const std::vector<TagPosition> positions = TRY(tag_positions(transaction, model));
  std::vector<ModelVersion> versions;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    versions.push_back(TRY(version_in(rows, row)));
    add_tags(positions, versions.back());
  }
  return versions;
}

Result<std::vector<std::string>> list_models(Transaction& transaction, int limit) {
  const Rows rows = TRY(transaction.query(
      "SELECT DISTINCT model FROM model_versions ORDER BY model LIMIT $1", {std::int64_t{limit}}));
  std::vector<std::string> models;
  models.reserve(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row) models.push_back(rows.text(row, 0));
  return models;
}

Result<std::vector<TagEvent>> tag_history(Transaction& transaction, const std::string& model,
                                          int limit) {
  const Rows rows = TRY(transaction.query(
      "SELECT sequence, tag, version, is_rollback, who, why, changed_at FROM model_tags "
      "WHERE model = $1 ORDER BY sequence DESC LIMIT $2",
      {model, std::int64_t{limit}}));
  std::vector<TagEvent> events;
  events.reserve(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::int64_t version = rows.integer(row, 2);
    events.push_back({.sequence = rows.integer(row, 0),
                      .tag = rows.text(row, 1),
                      .version = version != kNoVersion ? std::optional(version) : std::nullopt,
                      .is_rollback = rows.integer(row, 3) != 0,
                      .change = {.who = rows.text(row, 4),
                                 .why = rows.text(row, 5),
                                 .at = instant(rows.integer(row, 6))}});
  }
  return events;
}

}  // namespace millrace::model
