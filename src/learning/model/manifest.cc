#include "model/manifest.h"

#include <cmath>
#include <limits>

#include <fmt/core.h>

namespace millrace::model {

namespace {

constexpr std::int64_t kLargestInteger = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLargestInt = std::numeric_limits<int>::max();

constexpr std::int64_t kCurrentVersion = 1;
constexpr std::int64_t kOldestReadable = 1;
constexpr std::size_t kMaxBytes = 64U << 20U;

Json data_to_json(const DataVersion& data) {
  return Json::object({{"table", data.table},
                       {"version", data.version},
                       {"content_hash", data.content_hash},
                       {"rows", data.rows}});
}

Json golden_to_json(const std::vector<GoldenRow>& rows) {
  Json json = Json::array();
  for (const GoldenRow& row : rows) {
    json.push(Json::object({{"inputs", Json(row.inputs)}, {"score", row.score}}));
  }
  return json;
}

Error invalid(std::string message) {
  return Error(ErrorCode::Invalid, std::move(message));
}

/// The member, which must be an array.
Result<const Json*> array_at(const Json& json, std::string_view name) {
  const Json& member = json[name];
  if (member.is_array()) return &member;
  return invalid(fmt::format("'{}' must be an array, found {}", name, member.type_name()));
}

Result<const Json*> object_at(const Json& json, std::string_view name) {
  const Json& member = json[name];
  if (member.is_object()) return &member;
  return invalid(fmt::format("'{}' must be an object, found {}", name, member.type_name()));
}

Result<std::int64_t> integer_within(const Json& json, std::string_view name, std::int64_t low,
                                    std::int64_t high) {
  const std::int64_t value = TRY(json.integer_at(name));
  if (value >= low && value <= high) return value;
  return invalid(fmt::format("'{}' is {}; expected {} to {}", name, value, low, high));
}

Status read_data(const Json& json, Manifest& manifest) {
  const Json* data = TRY(object_at(json, "data"));
  manifest.data.table = TRY(data->string_at("table"));
  manifest.data.version = TRY(integer_within(*data, "version", 0, kLargestInteger));
  manifest.data.content_hash = TRY(data->string_at("content_hash"));
  manifest.data.rows = TRY(integer_within(*data, "rows", 0, kLargestInteger));
  return {};
}

Status read_features(const Json& json, Manifest& manifest) {
  for (const Json& feature : TRY(array_at(json, "features"))->as_array()) {
    manifest.features.push_back(TRY(feature_from_json(feature)));
  }
  return check_features(manifest.features);
}

Status read_parameters(const Json& json, Manifest& manifest) {
  for (const auto& [name, value] : TRY(object_at(json, "parameters"))->as_object()) {
    if (!value.is_string()) {
      return invalid(fmt::format("parameter '{}' must be text, found {}", name, value.type_name()));
    }
    manifest.parameters[name] = value.as_string();
  }
  for (const auto& [name, value] : TRY(object_at(json, "metrics"))->as_object()) {
    if (!value.is_number()) {
      return invalid(
          fmt::format("metric '{}' must be a number, found {}", name, value.type_name()));
    }
    manifest.metrics[name] = value.as_double();
  }
  return {};
}

Result<GoldenRow> read_golden_row(const Json& json, std::size_t width) {
  GoldenRow row;
  row.inputs = TRY(array_at(json, "inputs"))->as_array();
  row.score = TRY(json.number_at("score"));
  if (row.inputs.size() != width) {
    return invalid(fmt::format("{} inputs for {} features", row.inputs.size(), width));
  }
  for (const Json& input : row.inputs) {
    if (!input.is_null() && !input.is_number() && !input.is_string()) {
      return invalid(
          fmt::format("an input is a number, text or null, found {}", input.type_name()));
    }
  }
  return row;
}

Status read_golden_rows(const Json& json, Manifest& manifest) {
  for (const Json& row : TRY(array_at(json, "golden_rows"))->as_array()) {
    manifest.golden_rows.push_back(
        TRY_DOING(fmt::format("golden row {}", manifest.golden_rows.size()+1),
                  read_golden_row(row, manifest.features.size())));
  }
  if (manifest.golden_rows.empty()) return invalid("there are no golden rows");
  return {};
}

Status read_training(const Json& json, Manifest& manifest) {
  manifest.label = TRY(json.string_at("label"));
  manifest.objective = TRY(json.string_at("objective"));
  manifest.seed = static_cast<std::uint32_t>(
      TRY(integer_within(json, "seed", 0, std::numeric_limits<std::uint32_t>::max())));
  manifest.rounds = static_cast<int>(TRY(integer_within(json, "rounds", 1, kLargestInt)));
  if (!json["best_iteration"].is_null()) {
    manifest.best_iteration =
        static_cast<int>(TRY(integer_within(json, "best_iteration", 0, kLargestInt)));
  }
  manifest.library = TRY(json.string_at("library"));
  manifest.code_hash = TRY(json.string_at("code_hash"));
  return {};
}

Result<Manifest> read_document(const Json& json) {
  Manifest manifest;
  manifest.model = TRY(json.string_at("model"));
  TRY(read_features(json, manifest));
  TRY(read_training(json, manifest));
  TRY(read_parameters(json, manifest));
  TRY(read_data(json, manifest));
  TRY(read_golden_rows(json, manifest));
  manifest.artefact_sha256 = TRY(json.string_at("artefact_sha256"));
  manifest.run_id = TRY(json.string_at("run_id"));
  manifest.generation = TRY(json.integer_at("generation"));
  manifest.logical_date = TRY(parse_instant(TRY(json.string_at("logical_date"))));
  return manifest;
}

}  // namespace

std::string write_manifest(const Manifest& manifest) {
  Json json = Json::object({{"millrace_model_manifest", kCurrentVersion},
                            {"model", manifest.model},
                            {"artefact_sha256", manifest.artefact_sha256},
                            {"run_id", manifest.run_id},
                            {"generation", manifest.generation},
                            {"logical_date", format_instant(manifest.logical_date)},
                            {"library", manifest.library},
                            {"code_hash", manifest.code_hash},
                            {"data", data_to_json(manifest.data)},
                            {"label", manifest.label},
                            {"objective", manifest.objective},
                            {"seed", manifest.seed},
                            {"rounds", manifest.rounds}});
  json.set("best_iteration", manifest.best_iteration ? Json(*manifest.best_iteration) : Json());
  Json parameters = Json::object();
  for (const auto& [name, value] : manifest.parameters) parameters.set(name, value);
  json.set("parameters", std::move(parameters));
  Json metrics = Json::object();
  for (const auto& [name, value] : manifest.metrics) metrics.set(name, value);
  json.set("metrics", std::move(metrics));
  Json features = Json::array();
  for (const Feature& feature : manifest.features) features.push(to_json(feature));
  json.set("features", std::move(features));
  json.set("golden_rows", golden_to_json(manifest.golden_rows));
  return json.dump_pretty() + "\n";
}

Result<Manifest> read_manifest(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return Error(ErrorCode::Exhausted, fmt::format("the model's manifest has {} bytes; at most {}",
                                                   text.size(), kMaxBytes));
  }
  const auto as_corruption = [](const Error& error) {
    return Error(ErrorCode::Corruption, "the model's manifest: " + error.message());
  };
  const Result<Json> json = Json::parse(text);
  if (!json) return as_corruption(json.error());
  const Result<std::int64_t> version = json->integer_at("millrace_model_manifest");
  if (!version) return as_corruption(version.error());
  if (*version > kCurrentVersion || *version < kOldestReadable) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("the model's manifest has version {}; this Millrace reads {} to {}",
                             *version, kOldestReadable, kCurrentVersion));
  }
  Result<Manifest> manifest = read_document(*json);
  if (!manifest) return as_corruption(manifest.error());
  return manifest;
}

}  // namespace millrace::model
