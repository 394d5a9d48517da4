#pragma once

// From a model's template to the SELECT that the engine runs, and its relations in a session.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/engine.h"
#include "transform/sql_model.h"

namespace millrace::transform {

/// One model, ready for a session: its relation and the text behind it.
struct CompiledModel {
  const SqlModel* model = nullptr;
  std::string relation;
  std::string select;
};

/// The values of var(): parameters of the run over `vars:` of the project.
using Variables = std::map<std::string, Json, std::less<>>;

/// `names` and all that they read, in the order in which they must be defined. Inside, ref() is the
/// model's relation ("models.labels") and source() the relation "source.table". Errors: NotFound
/// for a variable without value, with its place.
Result<std::vector<CompiledModel>> compile(const ModelGraph& graph,
                                           const std::vector<std::string>& names,
                                           const Variables& variables);

/// Defines each as a view; the relations of the sources must be there. Errors: Invalid with the
/// model's path and the engine's message; for a model that reads a file by itself, and for one with
/// two columns of one name (in whatever case).
Status define(engine::Session& session, const std::vector<CompiledModel>& models);

/// The sources that these models read: "source.table", each once, sorted.
std::vector<std::string> sources_of(const std::vector<CompiledModel>& models);

/// Defines `name` as the rows of `whole` that were available before `before`, by the column
/// `available_at`. This is how a run sees only what was delivered before its logical date.
Status define_cut(engine::Session& session, const engine::RelationName& name,
                  const engine::RelationName& whole, const std::string& available_at,
                  Instant before);

/// A hash over the text of the models: the part of a content key that their code makes.
std::string code_hash(const std::vector<CompiledModel>& models);

/// A source as the models see it once it has landed.
struct LandedSource {
  columnar::Schema schema;
  std::string table;  // in the lake: "raw.flights"
};

/// Whether every model binds over empty relations with the columns of the sources ("airline.flights"),
/// and names no table that ref() or source() should name. Each mistake becomes an Error with the
/// model's path, and the engine's message or what to write.
void check_models(engine::Session& session, const ModelGraph& graph,
                  const std::map<std::string, LandedSource>& sources, const Variables& variables,
                  std::vector<Error>& errors);

}  // namespace millrace::transform
