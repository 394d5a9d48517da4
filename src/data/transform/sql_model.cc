#include "transform/sql_model.h"

#include <algorithm>
#include <functional>

#include <fmt/core.h>

#include "base/suggest.h"
#include "base/text.h"
#include "sql/names.h"

namespace millrace::transform {
namespace {

const std::vector<std::string> kSettings = {"materialized", "incremental_strategy", "partition_by",
                                            "schema"};
const std::vector<std::string> kMaterializations = {"view", "table", "incremental"};
const std::vector<std::string> kLater = {"ephemeral", "materialized_view", "snapshot"};
const std::vector<std::string> kLaterStrategies = {"append", "merge", "delete+insert",
                                                   "microbatch"};

bool is_one_of(const std::vector<std::string>& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

Result<std::string> setting(const SqlModel& model, const std::string& name, std::string fallback) {
  const Json* value = model.text.config().find(name);
  if (value == nullptr) return fallback;
  if (!value->is_string())
    return Error(ErrorCode::Invalid,
                 fmt::format("{}: {} is text; found {}", model.path, name, value->dump()));
  return value->as_string();
}

Result<Materialized> read_materialized(const SqlModel& model) {
  const std::string word = TRY(setting(model, "materialized", "view"));
  if (is_one_of(kLater, word))
    return Error(ErrorCode::Unsupported,
                 fmt::format("{}: materialized='{}' is not supported yet; there are view, table "
                             "and incremental",
                             model.path, word));
  if (!is_one_of(kMaterializations, word))
    return Error(ErrorCode::Invalid, fmt::format("{}: materialized='{}' is unknown{}", model.path,
                                                 word, suggestion(word, kMaterializations)));
  if (word == "view") return Materialized::View;
  if (word == "table") return Materialized::Table;
  const std::string strategy = TRY(setting(model, "incremental_strategy", "insert_overwrite"));
  if (strategy != "insert_overwrite")
    return Error(
        is_one_of(kLaterStrategies, strategy) ? ErrorCode::Unsupported : ErrorCode::Invalid,
        fmt::format("{}: incremental_strategy='{}' is not supported yet; there is insert_overwrite",
                    model.path, strategy));
  return Materialized::Incremental;
}

Result<std::vector<std::string>> read_partition_by(const SqlModel& model) {
  const Json& value = model.text.config()["partition_by"];
  if (value.is_null()) return std::vector<std::string>{};
  if (value.is_string()) return std::vector<std::string>{value.as_string()};
  std::vector<std::string> columns;
  if (value.is_array())
    for (const Json& column : value.as_array())
      if (column.is_string()) columns.push_back(column.as_string());
  if (!value.is_array() || columns.size() != value.as_array().size())
    return Error(ErrorCode::Invalid,
                 fmt::format("{}: partition_by is a column or a list of columns; found {}",
                             model.path, value.dump()));
  return columns;
}

std::string place(const SqlModel& model, sql::TextPlace at) {
  return fmt::format("{}:{}:{}", model.path, at.line, at.column);
}

}  // namespace

Result<SqlModel> read_sql_model(std::string name, std::string path, std::string text) {
  std::string raw = text;
  sql::Template parsed = TRY(sql::Template::parse(std::move(text), path));
  SqlModel model{
      .name = std::move(name), .path = path, .text = std::move(parsed), .raw = std::move(raw)};
  TRY_DOING(path + ": the file's name is the model's", sql::parse_table_name(model.name));
  if (model.name.find('.') != std::string::npos)
    return Error(ErrorCode::Invalid,
                 fmt::format("{}: the file's name is the model's and holds no '.'", path));
  for (const auto& [key, value] : model.text.config().as_object())
    if (!is_one_of(kSettings, key))
      return Error(ErrorCode::Invalid, fmt::format("{}: config() has no '{}'{}", path, key,
                                                   suggestion(key, kSettings)));
  model.materialized = TRY(read_materialized(model));
  model.partition_by = TRY(read_partition_by(model));
  model.schema = TRY(setting(model, "schema", model.schema));
  TRY_DOING(path + ": schema", sql::parse_table_name(model.table()));
  if (model.materialized == Materialized::Incremental && model.partition_by.empty())
    return Error(ErrorCode::Invalid, fmt::format("{}: an incremental model with insert_overwrite "
                                                 "needs partition_by, which says what a new "
                                                 "run replaces",
                                                 path));
  return model;
}

ModelGraph ModelGraph::make(std::vector<SqlModel> models, const std::set<std::string>& sources,
                            std::vector<Error>& errors) {
  ModelGraph graph;
  std::map<std::string, std::string> paths;  // of the models, by their folded names
  for (SqlModel& model : models) {
    const auto [at, fresh] = paths.try_emplace(fold_case(model.name), model.path);
    if (fresh)
      graph.models_.emplace(model.name, std::move(model));
    else
      errors.emplace_back(
          ErrorCode::Invalid,
          fmt::format("{}: the model '{}' is also in {}; names are unique, in whatever case",
                      model.path, model.name, at->second));
  }
  const std::vector<std::string> names = graph.names();
  const std::vector<std::string> source_names(sources.begin(), sources.end());
  for (const auto& [name, model] : graph.models_) {
    for (const auto& ref : model.text.refs())
      if (!graph.models_.contains(ref.model))
        errors.emplace_back(ErrorCode::Invalid,
                            fmt::format("{}: there is no model '{}'{}", place(model, ref.place),
                                        ref.model, suggestion(ref.model, names)));
    for (const auto& source : model.text.sources())
      if (const std::string full = source.schema + "." + source.table; !sources.contains(full))
        errors.emplace_back(ErrorCode::Invalid,
                            fmt::format("{}: there is no source '{}'{}", place(model, source.place),
                                        full, suggestion(full, source_names)));
  }
  graph.sort(errors);
  return graph;
}

/// Depth first; a model that is met again while it is being visited closes a cycle.
void ModelGraph::sort(std::vector<Error>& errors) {
  enum class Mark : std::uint8_t { New, Open, Done };
  std::map<std::string, Mark> marks;
  std::vector<std::string> path;
  const auto circle = [&](const std::string& name) {
    std::string text;
    for (auto from = std::ranges::find(path, name); from != path.end(); ++from)
      text += *from + " -> ";
    return text + name;
  };
  const std::function<void(const SqlModel&)> visit = [&](const SqlModel& model) {
    marks[model.name] = Mark::Open;
    path.push_back(model.name);
    for (const auto& ref : model.text.refs()) {
      const SqlModel* read = find(ref.model);
      if (read == nullptr || marks[read->name] == Mark::Done) continue;
      if (marks[read->name] == Mark::New)
        visit(*read);
      else
        errors.emplace_back(ErrorCode::Invalid,
                            fmt::format("{}: the models read each other in a circle: {}",
                                        place(model, ref.place), circle(read->name)));
    }
    path.pop_back();
    marks[model.name] = Mark::Done;
    order_.push_back(&model);
  };
  for (const auto& [name, model] : models_)
    if (marks[name] == Mark::New) visit(model);
}

const SqlModel* ModelGraph::find(std::string_view name) const {
  const auto found = models_.find(name);
  return found == models_.end() ? nullptr : &found->second;
}

std::vector<std::string> ModelGraph::names() const {
  std::vector<std::string> names;
  names.reserve(models_.size());
  for (const auto& [name, model] : models_) names.push_back(name);
  return names;
}

Result<std::vector<const SqlModel*>> ModelGraph::with_ancestors(
    const std::vector<std::string>& names) const {
  std::set<std::string> wanted;
  std::vector<std::string> open = names;
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    const SqlModel* model = find(name);
    if (model == nullptr)
      return Error(ErrorCode::NotFound,
                   fmt::format("there is no model '{}'{}", name, suggestion(name, this->names())));
    if (!wanted.insert(name).second) continue;
    for (const auto& ref : model->text.refs()) open.push_back(ref.model);
  }
  std::vector<const SqlModel*> chosen;
  for (const SqlModel* model : order_)
    if (wanted.contains(model->name)) chosen.push_back(model);
  return chosen;
}

}  // namespace millrace::transform
