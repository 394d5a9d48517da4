// model: registered versions, and which one serves.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>

#include <fmt/core.h>

#include "base/file.h"
#include "base/suggest.h"
#include "cli/connection.h"
#include "metadata/database.h"
#include "model/model_store.h"
#include "model/predictor.h"
#include "serve/scoring.h"
#include "storage/object_store.h"

namespace millrace::cli {
namespace {

/// The registry, opened for reading. Where nothing has run yet it has no database: looking makes
/// none.
struct Registry {
  project::Project project;
  std::unique_ptr<metadata::Database> database;
  std::unique_ptr<storage::ObjectStore> store;

  static Result<Registry> open(const Common& common) {
    Registry registry;
    registry.project = TRY(open_project(common, project::Parts::config()));
    std::error_code error;
    if (!std::filesystem::exists(registry.project.target.metadata, error)) return registry;
    registry.database = TRY(metadata::open_sqlite_to_read(registry.project.target.metadata));
    TRY(model::migrate_model_store(*registry.database));
    registry.store = TRY(storage::open_local_store(registry.project.target.models));
    return registry;
  }

  Error no_model(const std::string& name) const {
    return {ErrorCode::NotFound,
            fmt::format("there is no model '{}': nothing has run for the target '{}' yet", name,
                        project.target.name)};
  }
  static Status no_such_model(metadata::Transaction& transaction, const std::string& name) {
    return Error(ErrorCode::NotFound,
                 fmt::format("there is no model '{}'{}", name,
                             suggestion(name, TRY(model::list_models(transaction)))));
  }

  /// The version that is named, else the one in Production, else the newest.
  Result<model::ModelVersion> version(const std::string& name, std::int64_t wanted) {
    std::optional<model::ModelVersion> found;
    if (database == nullptr) return no_model(name);
    TRY(database->read([&](metadata::Transaction& transaction) -> Status {
      if (wanted > 0) {
        found = TRY(model::get_version(transaction, name, wanted));
        return {};
      }
      found = TRY(model::tagged_version(transaction, name));
      if (!found.has_value()) {
        const auto versions = TRY(model::list_versions(transaction, name, 1));
        if (versions.empty()) return no_such_model(transaction, name);
        found = versions.front();
      }
      return {};
    }));
    return *std::move(found);
  }
};

/// With an AUC for each: null for a version that nobody has evaluated.
Json listed(const model::ModelVersion& version) {
  Json json = version.to_json();
  if (version.metrics.contains("auc")) return json;
  Json metrics = json["metrics"];
  metrics.set("auc", nullptr);
  json.set("metrics", std::move(metrics));
  return json;
}

/// Of all models, or of the one that is named.
Result<Json> list_versions(const Common& common, const std::string& only) {
  Registry registry = TRY(Registry::open(common));
  Json versions = Json::array();
  if (registry.database == nullptr && !only.empty()) return registry.no_model(only);
  if (registry.database == nullptr) return versions;
  TRY(registry.database->read([&](metadata::Transaction& transaction) -> Status {
    versions = Json::array();
    for (const std::string& name : TRY(model::list_models(transaction)))
      if (only.empty() || name == only)
        for (const model::ModelVersion& version : TRY(model::list_versions(transaction, name)))
          versions.push(listed(version));
    if (!only.empty() && versions.as_array().empty())
      return Registry::no_such_model(transaction, only);
    return {};
  }));
  return versions;
}

Result<Json> show_one(const Common& common, const ModelArguments& arguments) {
  Registry registry = TRY(Registry::open(common));
  const model::ModelVersion version = TRY(registry.version(arguments.name, arguments.version));
  const model::LoadedModel loaded =
      TRY(model::get_model(*registry.store, version.model, version.content_id));
  Json manifest = TRY(Json::parse(model::write_manifest(loaded.manifest)));
  Json history = Json::array();
  TRY(registry.database->read([&](metadata::Transaction& transaction) -> Status {
    for (const model::TagEvent& event : TRY(model::tag_history(transaction, version.model, 20)))
      history.push(event.to_json());
    return {};
  }));
  Json json = version.to_json();
  json.set("manifest", std::move(manifest)).set("tag_history", std::move(history));
  return json;
}

/// Moves a tag: through the server that runs, or one of our own.
Result<Json> move_tag(const Common& common, const ModelArguments& arguments,
                      const std::string& verb, const Json& body) {
  // Nothing of the project but its registry: a broken pipeline keeps nobody from going back.
  const project::Project project = TRY(open_project(common, project::Parts::config()));
  Connection connection = TRY(Connection::open(project, Attempts::Wait));
  return connection.post_json("/api/v1/models/" + net::encode_part(arguments.name) + "/" + verb,
                              body);
}

std::string user() {
  const char* name = std::getenv("USER");
  return name != nullptr ? name : "a person";
}

Result<std::string> score_rows(const Common& common, const ModelArguments& arguments) {
  Registry registry = TRY(Registry::open(common));
  const model::ModelVersion version = TRY(registry.version(arguments.name, arguments.version));
  model::LoadedModel loaded =
      TRY(model::get_model(*registry.store, version.model, version.content_id));
  const auto predictor = TRY(model::Predictor::load(loaded.artefact, std::move(loaded.manifest)));
  const std::string input =
      arguments.input == "-"
          ? std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>())
          : TRY(read_file(arguments.input));
  const std::size_t first = input.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string::npos && (input[first] == '{' || input[first] == '[');
  const model::FeatureRows rows = TRY(is_json ? serve::read_json(predictor->encoder(), input)
                                              : serve::read_csv(predictor->encoder(), input));
  if (rows.row_count() == 0)
    std::fprintf(stderr, "warning: %s holds no rows, so nothing is scored\n",
                 arguments.input == "-" ? "standard input" : arguments.input.c_str());
  const std::vector<float> scores = TRY(predictor->predict(rows));
  return common.json ? serve::write_json(scores) + "\n" : serve::write_csv(scores);
}

/// "auc 0.9312, log_loss 0.2210".
std::string metrics_text(const Json& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics.as_object())
    if (value.is_number()) {
      const bool counts = name == "rows" || name == "positives";
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                          counts ? with_commas(static_cast<std::int64_t>(value.as_double()))
                                 : fmt::format("{:.4f}", value.as_double()));
    }
  return text;
}

/// "0.9312", or "-" for a version that nobody has evaluated.
std::string auc_text(const Json& metrics) {
  return metrics["auc"].is_number() ? fmt::format("{:.4f}", metrics["auc"].as_double()) : "-";
}

std::string list_text(const Json& list, std::string_view between) {
  std::string text;
  for (const Json& each : list.as_array())
    text.append(text.empty() ? "" : between).append(each.as_string());
  return text;
}

void print_features(Terminal& terminal, const Json& features) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& feature : features.as_array())
    rows.push_back({feature.string_or("name", ""), feature.string_or("type", ""),
                    feature.contains("categories")
                        ? std::to_string(feature["categories"].as_array().size())
                        : ""});
  terminal.line("");
  terminal.table({"FEATURE", "TYPE", "CATEGORIES"}, rows);
}

void print_tag_history(Terminal& terminal, const Json& history) {
  if (history.as_array().empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const Json& event : history.as_array())
    rows.push_back(
        {to_the_second(event.string_or("at", "")), event.string_or("tag", ""),
         event["version"].is_null() ? "none" : std::to_string(event.integer_or("version", 0)),
         event.string_or("who", ""), printable(event.string_or("why", ""))});
  terminal.line("");
  terminal.table({"WHEN", "TAG", "VERSION", "WHO", "WHY"}, rows);
}

void print_model(const Json& model) {
  Terminal terminal(stdout);
  const Json& manifest = model["manifest"];
  const Json& data = manifest["data"];
  terminal.line(terminal.paint(
      Colour::Bold,
      fmt::format("{} version {}", model.string_or("model", ""), model.integer_or("version", 0))));
  const std::vector<std::pair<const char*, std::string>> facts = {
      {"tags", list_text(model["tags"], ", ")},
      {"state", model.string_or("state", "")},
      {"because", list_text(model["reasons"], " ")},
      {"measured", metrics_text(model["metrics"])},
      {"run", model.string_or("run_id", "")},
      {"rows", fmt::format("{} of {} version {}", with_commas(data.integer_or("rows", 0)),
                           data.string_or("table", ""), data.integer_or("version", 0))},
      {"trained by", fmt::format("{}, {} rounds", manifest.string_or("library", ""),
                                 manifest.integer_or("rounds", 0))},
      {"objective", manifest.string_or("objective", "")},
      {"artefact", model.string_or("artefact_sha256", "")}};
  for (const auto& [name, value] : facts)
    if (!value.empty()) terminal.line(fmt::format("  {:<11} {}", name, printable(value)));
  print_features(terminal, manifest["features"]);
  print_tag_history(terminal, model["tag_history"]);
}

}  // namespace

int model_list(const Common& common, const ModelArguments& arguments) {
  const Result<Json> versions = list_versions(common, arguments.name);
  if (!versions.ok()) return fail(common, versions.error());
  if (common.json) {
    print_json(*versions);
    return kSuccess;
  }
  Terminal terminal(stdout);
  std::vector<std::vector<std::string>> rows;
  for (const Json& version : versions->as_array()) {
    const std::string tags = list_text(version["tags"], ", ");
    const Json& reasons = version["reasons"];
    rows.push_back(
        {version.string_or("model", ""), std::to_string(version.integer_or("version", 0)), tags,
         version.string_or("state", ""), auc_text(version["metrics"]),
         version.string_or("run_id", ""),
         reasons.is_array() && !reasons.as_array().empty() ? reasons.as_array()[0].as_string()
                                                           : ""});
  }
  terminal.table({"MODEL", "VERSION", "TAGS", "STATE", "AUC", "RUN", "REASON"}, rows);
  return kSuccess;
}

int model_show(const Common& common, const ModelArguments& arguments) {
  const Result<Json> model = show_one(common, arguments);
  if (!model.ok()) return fail(common, model.error());
  if (common.json)
    print_json(*model);
  else
    print_model(*model);
  return kSuccess;
}

int model_promote(const Common& common, const ModelArguments& arguments) {
  const Result<Json> moved = move_tag(
      common, arguments, "promote",
      Json::object(
          {{"version", arguments.version}, {"reason", arguments.reason}, {"who", user()}}));
  if (!moved.ok()) return fail(common, moved.error());
  if (common.json)
    print_json(*moved);
  else
    std::printf("%s version %lld is in Production\n", arguments.name.c_str(),
                static_cast<long long>(moved->integer_or("version", 0)));
  return kSuccess;
}

int model_rollback(const Common& common, const ModelArguments& arguments) {
  const Result<Json> moved = move_tag(
      common, arguments, "rollback", Json::object({{"reason", arguments.reason}, {"who", user()}}));
  if (!moved.ok()) return fail(common, moved.error());
  if (common.json)
    print_json(*moved);
  else if ((*moved)["version"].is_null())
    std::printf(
        "no version of %s is in Production any more, and nothing answers for it; "
        "`millrace model promote %s VERSION` puts one there\n",
        arguments.name.c_str(), arguments.name.c_str());
  else
    std::printf("%s version %lld is in Production again\n", arguments.name.c_str(),
                static_cast<long long>(moved->integer_or("version", 0)));
  return kSuccess;
}

int model_predict(const Common& common, const ModelArguments& arguments) {
  const Result<std::string> scores = score_rows(common, arguments);
  if (!scores.ok()) return fail(common, scores.error());
  std::fputs(scores->c_str(), stdout);
  return kSuccess;
}

}  // namespace millrace::cli
