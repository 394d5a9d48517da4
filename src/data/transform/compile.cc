#include "transform/compile.h"

#include <set>

#include <fmt/core.h>

#include "base/hash.h"
#include "sql/names.h"
#include "transform/error_place.h"

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
  return Error(error).while_doing(error_place(model.path, model.raw, select, error.message()));
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
  for (const CompiledModel& compiled : models) {
    const Status defined = session.define_view(compiled.relation, compiled.select);
    if (!defined.ok()) return placed(defined.error(), *compiled.model, compiled.select);
  }
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
                  const std::map<std::string, columnar::Schema>& source_schemas,
                  const Variables& variables, std::vector<Error>& errors) {
  for (const auto& [name, schema] : source_schemas) {
    const Status defined = session.define_scan(name, {.schema = schema, .files = {}});
    if (!defined.ok()) errors.push_back(Error(defined.error()).while_doing("the source " + name));
  }
  std::set<std::string> broken;
  for (const SqlModel* model : graph.in_order()) {
    bool readable = true;
    for (const auto& ref : model->text.refs()) readable = readable && !broken.contains(ref.model);
    Result<std::string> select = compile_one(*model, graph, variables);
    Status status = select.ok() ? Status() : Status(select.error());
    // A model that reads a broken one would only repeat its mistake.
    if (status.ok() && readable) status = session.define_view(model->relation(), *select);
    if (status.ok() && readable) {
      const auto bound =
          session.bind("SELECT * FROM " + *sql::quoted_table_name(model->relation()));
      if (!bound.ok()) status = bound.error();
    }
    if (!status.ok())
      errors.push_back(select.ok() ? placed(status.error(), *model, *select) : status.error());
    if (!status.ok() || !readable) broken.insert(model->name);
  }
}

}  // namespace millrace::transform
