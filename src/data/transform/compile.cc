#include "transform/compile.h"

#include <set>

#include <fmt/core.h>

#include "base/hash.h"
#include "base/text.h"
#include "sql/names.h"
#include "transform/direct_naming.h"
#include "transform/error_place.h"
#include "transform/file_reading.h"

namespace millrace::transform {
namespace {

Result<std::string> compile_one(const SqlModel& model, const ModelGraph& graph,
                                const Variables& variables) {
  return model.text.render(
      {.ref = [&](const sql::Template::Ref& ref) -> Result<std::string> {
         const SqlModel* read = graph.find(ref.model);
         if (read == nullptr)
           return Error(ErrorCode::NotFound, "there is no model '" + ref.model + "'");
         return sql::quoted_table_name(read->relation());
       },
       .source =
           [](const sql::Template::Source& source) {
             return sql::quoted_table_name(source.schema + "." + source.table);
           },
       .var = [&](const sql::Template::Var& var) -> Result<std::optional<Json>> {
         const auto found = variables.find(var.name);
         if (found == variables.end()) return std::optional<Json>();
         return std::optional<Json>(found->second);
       }});
}

/// The engine's error about a model, with the place in its file before it.
Error placed(const Error& error, const SqlModel& model, std::string_view select) {
  return Error(error.code(), without_line_number(error.message()))
      .while_doing(error_place(model.path, model.raw, select, error.message()));
}

Error reads_a_file(const FileReading& reading, const SqlModel& model, std::string_view select) {
  return Error(ErrorCode::Invalid,
               fmt::format("{} reads a file, which no run has landed; declare it as a source "
                           "(sources/*.yml), let a task of kind land take it, and read "
                           "{{{{ source('...', '...') }}}}",
                           reading.what))
      .while_doing(place_at(model.path, model.raw, select, reading.offset));
}

/// A view gives a second column of a name another one, which nobody has written.
Status check_column_names(engine::Session& session, std::string_view select) {
  std::set<std::string> names;
  for (const std::string& name : TRY(session.bind(select)).result.names())
    if (!names.insert(fold_case(name)).second)
      return Error(ErrorCode::Invalid,
                   fmt::format("two columns are called '{}'; rename one with AS", name));
  return {};
}

Error names_a_table(const DirectNaming& naming, const SqlModel& model, std::string_view select) {
  return Error(ErrorCode::Invalid,
               fmt::format("{} is named past the templates, so no run knows that this model reads "
                           "it; write {} instead",
                           naming.table, naming.word))
      .while_doing(place_at(model.path, model.raw, select, naming.offset));
}

/// Defines the model's relation. Errors have its place. `words`: what it may not name by itself.
Status define_one(engine::Session& session, const SqlModel& model, std::string_view select,
                  const TableWords& words) {
  const auto tree = session.parse(select);  // what is no SELECT is said below
  if (tree.ok()) {
    if (const auto reading = file_reading(*tree)) return reads_a_file(*reading, model, select);
    if (const auto naming = direct_naming(*tree, model, words))
      return names_a_table(*naming, model, select);
  }
  Status made = session.define_view(model.relation(), select);
  const bool defined = made.ok();
  // A view looks for a bare name also beside itself, where the SELECT alone finds none.
  if (defined) made = check_column_names(session, select);
  if (made.ok()) return {};
  if (const auto naming =
          tree.ok() ? bare_naming(*tree, words, made.error().message()) : std::nullopt)
    return names_a_table(*naming, model, select);
  if (!defined) return placed(made.error(), model, select);
  return Error(made.error()).while_doing(model.path);
}

}  // namespace

Result<std::vector<CompiledModel>> compile(const ModelGraph& graph,
                                           const std::vector<std::string>& names,
                                           const Variables& variables) {
  std::vector<CompiledModel> compiled;
  for (const SqlModel* model : TRY(graph.with_ancestors(names))) {
    std::string select = TRY(compile_one(*model, graph, variables));
    compiled.push_back({model, model->relation(), std::move(select)});
  }
  return compiled;
}

Status define(engine::Session& session, const std::vector<CompiledModel>& models) {
  for (const CompiledModel& compiled : models)
    TRY(define_one(session, *compiled.model, compiled.select, {}));
  return {};
}

std::vector<std::string> sources_of(const std::vector<CompiledModel>& models) {
  std::set<std::string> names;
  for (const CompiledModel& compiled : models)
    for (const auto& source : compiled.model->text.sources())
      names.insert(source.schema + "." + source.table);
  return {names.begin(), names.end()};
}

Status define_cut(engine::Session& session, const engine::RelationName& name,
                  const engine::RelationName& whole, const std::string& available_at,
                  Instant before) {
  return session.define_view(
      name,
      fmt::format("SELECT * FROM {} WHERE {} < {}::TIMESTAMPTZ", TRY(sql::quoted_table_name(whole)),
                  sql::quote_identifier(available_at), sql::quote_literal(format_instant(before))));
}

std::string code_hash(const std::vector<CompiledModel>& models) {
  Sha256 hash;
  for (const CompiledModel& compiled : models)
    hash.update(compiled.relation)
        .update(std::string_view("\0", 1))
        .update(compiled.select)
        .update({"\0", 1});
  return hash.hex();
}

void check_models(engine::Session& session, const ModelGraph& graph,
                  const std::map<std::string, LandedSource>& sources, const Variables& variables,
                  std::vector<Error>& errors) {
  std::map<std::string, std::string> tables;
  for (const auto& [name, source] : sources) {
    tables.emplace(name, source.table);
    const Status defined = session.define_scan(name, {.schema = source.schema, .files = {}});
    if (!defined.ok()) errors.push_back(Error(defined.error()).while_doing("the source " + name));
  }
  const TableWords words = table_words(graph, tables);
  std::set<std::string> broken;
  for (const SqlModel* model : graph.in_order()) {
    bool readable = true;
    for (const auto& ref : model->text.refs()) readable = readable && !broken.contains(ref.model);
    Result<std::string> select = compile_one(*model, graph, variables);
    Status status = select.ok() ? Status() : Status(select.error());
    // A model that reads a broken one would only repeat its mistake.
    if (status.ok() && readable) status = define_one(session, *model, *select, words);
    if (!status.ok()) errors.push_back(status.error());
    if (!status.ok() || !readable) broken.insert(model->name);
  }
}

}  // namespace millrace::transform
