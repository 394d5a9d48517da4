#pragma once

// SQL models: tables made from tables, in dbt's words.
//
// A model is one SELECT in a file of its own, named after the file. It names other models with
// ref() and what was landed with source(), so the order in which models are made follows from the
// files alone.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/template.h"

namespace millrace::transform {

enum class Materialized : std::uint8_t {
  View,         // computed where it is read; keeps nothing
  Table,        // replaced as a whole
  Incremental,  // insert_overwrite: the partitions that the new rows touch are replaced
};

struct SqlModel {
  std::string name;
  std::string path;  // in the project, for messages: "models/staging/labels.sql"
  sql::Template text;
  std::string raw;  // the file as it stands: for the places of errors
  Materialized materialized = Materialized::View;
  std::vector<std::string> partition_by;
  std::string schema = "models";  // of its table in the lake, when it is materialised

  /// "models.labels": its relation in a session.
  std::string relation() const { return "models." + name; }
  /// "marts.labels": its table in the lake.
  std::string table() const { return schema + "." + name; }
};

/// Reads a model and its config(): materialized view | table | incremental (incremental_strategy
/// insert_overwrite, which needs partition_by), partition_by, schema. Errors: Invalid with
/// file:line:column; Unsupported by name for dbt's other materialisations and strategies; Invalid
/// with a suggestion for unknown settings.
Result<SqlModel> read_sql_model(std::string name, std::string path, std::string text);

/// The models of a project and how they depend on each other.
class ModelGraph {
 public:
  ModelGraph() = default;

  /// `sources`: the declared ones as "source.table". Every mistake goes into `errors`, with
  /// the file: a name that two models have, in whatever case, since a session takes names that
  /// differ in case for one; an unknown ref or source (with a suggestion) and a cycle (named as
  /// a -> b -> a), at line and column. With errors the graph holds what could be resolved.
  static ModelGraph make(std::vector<SqlModel> models, const std::set<std::string>& sources,
                         std::vector<Error>& errors);

  const SqlModel* find(std::string_view name) const;
  /// All models, each behind those that it reads.
  const std::vector<const SqlModel*>& in_order() const { return order_; }
  /// `names` and all that they read, in order. Errors: NotFound with a suggestion.
  Result<std::vector<const SqlModel*>> with_ancestors(const std::vector<std::string>& names) const;
  std::vector<std::string> names() const;

 private:
  void sort(std::vector<Error>& errors);

  std::map<std::string, SqlModel, std::less<>> models_;
  std::vector<const SqlModel*> order_;
};

}  // namespace millrace::transform
