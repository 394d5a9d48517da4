#pragma once

// The columns that flow through a bound plan, each with what it was made of.
//
// DuckDB 1.5's json_serialize_plan: an operator has "type" and "children", an expression names its
// inputs by position over the concatenated columns of its operator's children (BOUND_REF), or by
// the number of an operator and a position (BOUND_COLUMN_REF).

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "sql/references.h"

namespace millrace::sql {

/// Where the values of one column in the middle of a plan come from.
struct Origin {
  std::set<SourceColumn> direct;
  std::set<SourceColumn> indirect;

  bool operator==(const Origin&) const = default;
  void add(const Origin& other);
  /// `other` decides about this one.
  void add_indirect(const Origin& other);
};

using Columns = std::vector<Origin>;

/// Walks a plan from the tables up.
class PlanColumns {
 public:
  explicit PlanColumns(References& found) : found_(found) {}

  /// The columns that an operator gives.
  Columns of(const Json& op);

  /// What an expression over `inputs` is made of.
  Origin expression(const Json& expression, const Columns& inputs);

  /// Says once that something was not understood.
  void not_understood(const std::string& what);

 private:
  Columns of_get(const Json& op);
  Columns of_function(const Json& op);
  Columns of_aggregate(const Json& op, const Columns& inputs);
  Columns of_join(const Json& op, const std::string& type);
  Columns of_set_operation(const std::string& type, const std::vector<Columns>& children);
  Columns of_cte(const Json& op);
  Columns of_recursive_cte(const Json& op);
  Columns of_rows(const Json& op, const Columns& inputs);
  Columns of_pivot(const Json& op, Columns inputs);
  Columns of_delim_get(const Json& op);
  Columns passing(const Json& op, Columns inputs);
  Columns with_expressions(const Json& op, const std::string& number, Columns inputs);
  std::vector<Columns> of_children(const Json& op);

  void collect(const Json& expression, const Columns& inputs, Origin& into);
  void collect_indirect(const Json& expression, const Columns& inputs, Origin& into);
  void collect_window(const Json& expression, const Columns& inputs, Origin& into);
  /// These columns, and the statement's rows, depend on `deciding`.
  void decide(Columns& columns, const Origin& deciding);
  void remember(const Json& op, const std::string& number, const Columns& columns);

  References& found_;
  std::map<std::int64_t, Columns> ctes_;
  std::map<std::int64_t, Columns> numbered_;  // by an operator's table_index
  std::vector<Columns> delims_;               // of the joins around
};

/// "flights", or "raw.flights" when the schema is not the main one.
std::string table_text(const Json& catalog_entry);

/// The array under `name`, empty when there is none.
const Json::Array& elements(const Json& object, std::string_view name);

}  // namespace millrace::sql
