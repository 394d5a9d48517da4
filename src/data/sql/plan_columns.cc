#include "sql/plan_columns.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/core.h>

namespace millrace::sql {

namespace {

/// Table functions that read nothing but their arguments.
constexpr std::array<std::string_view, 7> kPureFunctions = {
    "range", "generate_series", "repeat", "repeat_row", "unnest", "json_each", "json_tree"};

/// Operators that pass their rows on, all or some, in one order or another.
constexpr std::array<std::string_view, 6> kPassing = {
    "LOGICAL_FILTER", "LOGICAL_ORDER_BY", "LOGICAL_TOP_N",
    "LOGICAL_LIMIT",  "LOGICAL_SAMPLE",   "LOGICAL_DISTINCT",
};

/// Members of an expression that hold no expression over the operator's inputs. A lambda's body
/// stands in function_data and counts positions of its own; what it captures stands in children.
constexpr std::array<std::string_view, 6> kNoInputs = {"function_data", "value",     "return_type",
                                                       "arguments",     "bind_info", "type_info"};

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

Columns concatenated(const std::vector<Columns>& children) {
  Columns columns;
  for (const Columns& child : children) columns.insert(columns.end(), child.begin(), child.end());
  return columns;
}

Origin merged(const Columns& columns) {
  Origin all;
  for (const Origin& column : columns) all.add(column);
  return all;
}

}  // namespace

void Origin::add(const Origin& other) {
  direct.insert(other.direct.begin(), other.direct.end());
  indirect.insert(other.indirect.begin(), other.indirect.end());
}

void Origin::add_indirect(const Origin& other) {
  indirect.insert(other.direct.begin(), other.direct.end());
  indirect.insert(other.indirect.begin(), other.indirect.end());
}

const Json::Array& elements(const Json& object, std::string_view name) {
  static const Json::Array none;
  const Json& array = object[name];
  return array.is_array() ? array.as_array() : none;
}

std::string table_text(const Json& entry) {
  std::string schema = entry.string_or("schema", "main");
  std::string name = entry.string_or("table", entry.string_or("name", ""));
  return schema == "main" ? name : schema + "." + name;
}

void PlanColumns::not_understood(const std::string& what) {
  if (std::ranges::find(found_.not_understood, what) == found_.not_understood.end()) {
    found_.not_understood.push_back(what);
  }
}

void PlanColumns::remember(const Json& op, const std::string& number, const Columns& columns) {
  if (op[number].is_integer()) numbered_[op[number].as_integer()] = columns;
}

void PlanColumns::decide(Columns& columns, const Origin& deciding) {
  for (Origin& column : columns) column.add_indirect(deciding);
  found_.indirect.insert(deciding.direct.begin(), deciding.direct.end());
  found_.indirect.insert(deciding.indirect.begin(), deciding.indirect.end());
}

std::vector<Columns> PlanColumns::of_children(const Json& op) {
  std::vector<Columns> children;
  for (const Json& child : elements(op, "children")) children.push_back(of(child));
  return children;
}

Columns PlanColumns::of(const Json& op) {
  std::string type = op.string_or("type", "?");
  if (type == "LOGICAL_GET") return of_get(op);
  if (type == "LOGICAL_MATERIALIZED_CTE") return of_cte(op);
  if (type == "LOGICAL_RECURSIVE_CTE") return of_recursive_cte(op);
  if (type == "LOGICAL_DELIM_GET") return of_delim_get(op);
  if (type.ends_with("_JOIN")) return of_join(op, type);
  if (type == "LOGICAL_CTE_REF") {
    auto cte = ctes_.find(op.integer_or("cte_index", -1));
    if (cte == ctes_.end()) not_understood("a WITH query that is named before it is defined");
    Columns columns =
        cte == ctes_.end() ? Columns(elements(op, "chunk_types").size()) : cte->second;
    remember(op, "table_index", columns);
    return columns;
  }
  std::vector<Columns> children = of_children(op);
  if (type == "LOGICAL_UNION" || type == "LOGICAL_EXCEPT" || type == "LOGICAL_INTERSECT") {
    Columns columns = of_set_operation(type, children);
    remember(op, "table_index", columns);
    return columns;
  }
  Columns inputs = concatenated(children);
  if (type == "LOGICAL_CROSS_PRODUCT") return inputs;
  if (is_one_of(type, kPassing)) return passing(op, std::move(inputs));
  if (type == "LOGICAL_PROJECTION") {
    Columns columns;
    for (const Json& e : elements(op, "expressions")) columns.push_back(expression(e, inputs));
    remember(op, "table_index", columns);
    return columns;
  }
  if (type == "LOGICAL_AGGREGATE_AND_GROUP_BY") return of_aggregate(op, inputs);
  if (type == "LOGICAL_WINDOW") return with_expressions(op, "window_index", std::move(inputs));
  if (type == "LOGICAL_UNNEST") return with_expressions(op, "unnest_index", std::move(inputs));
  if (type == "LOGICAL_PIVOT") return of_pivot(op, std::move(inputs));
  if (type == "LOGICAL_DUMMY_SCAN") return Columns(1);
  if (type == "LOGICAL_EMPTY_RESULT") return Columns(elements(op, "return_types").size());
  if (type == "LOGICAL_CHUNK_GET") return Columns(elements(op, "chunk_types").size());
  if (type == "LOGICAL_EXPRESSION_GET") return of_rows(op, inputs);
  not_understood("operator " + type);
  return inputs;
}

Columns PlanColumns::of_get(const Json& op) {
  const Json& data = op["function_data"];
  if (!data.contains("table")) return of_function(op);
  std::string table = table_text(data);
  found_.reads.insert(table);
  const Json::Array& names = elements(op, "names");
  Columns columns;
  for (const Json& column : elements(op, "column_indexes")) {
    // The number of a row and other virtual columns lie beyond the table's own.
    std::int64_t index = column.integer_or("index", -1);
    Origin& origin = columns.emplace_back();
    if (index < 0 || index >= static_cast<std::int64_t>(names.size())) continue;
    const Json& name = names[static_cast<std::size_t>(index)];
    if (name.is_string()) origin.direct.insert({table, name.as_string()});
  }
  remember(op, "table_index", columns);
  return columns;
}

/// A table function: its columns are made of what it is given (a lateral json_each), or of files.
Columns PlanColumns::of_function(const Json& op) {
  std::string name = op.string_or("name", "?");
  const Json::Array& files = elements(op["function_data"], "files");
  for (const Json& file : files) {
    if (file.is_string()) found_.files_read.insert(file.as_string());
    if (file.is_object()) found_.files_read.insert(file.string_or("path", "?"));
  }
  if (files.empty() && !is_one_of(name, kPureFunctions)) {
    not_understood("table function " + name);
  }
  Columns inputs = concatenated(of_children(op));
  Columns columns(elements(op, "column_indexes").size(), merged(inputs));
  for (const Json& kept : elements(op, "projected_input")) {
    auto i = static_cast<std::size_t>(kept.is_integer() ? kept.as_integer() : -1);
    columns.push_back(i < inputs.size() ? inputs[i] : Origin{});
  }
  remember(op, "table_index", columns);
  return columns;
}

Columns PlanColumns::of_aggregate(const Json& op, const Columns& inputs) {
  Columns groups;
  for (const Json& e : elements(op, "groups")) groups.push_back(expression(e, inputs));
  Columns aggregates;
  for (const Json& e : elements(op, "expressions")) aggregates.push_back(expression(e, inputs));
  Columns groupings(elements(op, "grouping_functions").size());
  Origin deciding = merged(groups);
  for (Columns* part : {&groups, &aggregates, &groupings}) decide(*part, deciding);
  remember(op, "group_index", groups);
  remember(op, "aggregate_index", aggregates);
  remember(op, "groupings_index", groupings);
  return concatenated({groups, aggregates, groupings});
}

/// Appends the operator's own columns to those of its input.
Columns PlanColumns::with_expressions(const Json& op, const std::string& number, Columns inputs) {
  Columns made;
  for (const Json& e : elements(op, "expressions")) made.push_back(expression(e, inputs));
  remember(op, number, made);
  return concatenated({std::move(inputs), std::move(made)});
}

Columns PlanColumns::passing(const Json& op, Columns inputs) {
  Origin deciding;
  for (std::string_view part :
       {"expressions", "orders", "distinct_targets", "order_by", "limit_val", "offset_val"}) {
    collect(op[part], inputs, deciding);
  }
  decide(inputs, deciding);
  return inputs;
}

Columns PlanColumns::of_join(const Json& op, const std::string& type) {
  const Json::Array& children = elements(op, "children");
  if (children.size() != 2) {
    not_understood("operator " + type + " without two inputs");
    return concatenated(of_children(op));
  }
  // A dependent subquery reads columns of the other side through DELIM_GETs.
  bool flipped = op.bool_or("delim_flipped", false);
  const Json::Array& passed = elements(op, "duplicate_eliminated_columns");
  Columns sides[2];
  std::size_t giving = flipped ? 1 : 0;
  sides[giving] = of(children[giving]);
  if (type == "LOGICAL_DELIM_JOIN") {
    Columns given;
    for (const Json& e : passed) given.push_back(expression(e, sides[giving]));
    delims_.push_back(std::move(given));
  }
  sides[1 - giving] = of(children[1 - giving]);
  if (type == "LOGICAL_DELIM_JOIN") delims_.pop_back();

  Columns both = concatenated({sides[0], sides[1]});
  Origin deciding;
  for (const Json& condition : elements(op, "conditions")) {
    if (condition.contains("left")) {
      collect(condition["left"], sides[0], deciding);
      collect(condition["right"], sides[1], deciding);
    } else {
      collect(condition, both, deciding);
    }
  }
  collect(op["condition"], both, deciding);
  collect(op["predicate"], both, deciding);
  std::string join = op.string_or("join_type", "INNER");
  Columns columns = join == "SEMI" || join == "ANTI"               ? sides[0]
                    : join == "RIGHT_SEMI" || join == "RIGHT_ANTI" ? sides[1]
                                                                   : both;
  if (join == "MARK") {
    columns = sides[0];
    columns.push_back(merged(sides[1]));
    columns.back().add(deciding);
    remember(op, "mark_index", {columns.back()});
    return columns;
  }
  decide(columns, deciding);
  return columns;
}

Columns PlanColumns::of_set_operation(const std::string& type,
                                      const std::vector<Columns>& children) {
  if (children.empty()) return {};
  Columns columns = children[0];
  for (std::size_t i = 1; i < children.size(); ++i) {
    if (children[i].size() != columns.size()) {
      not_understood("operator " + type + " over inputs of different widths");
      continue;
    }
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (type == "LOGICAL_UNION") {
        columns[c].add(children[i][c]);
      } else {
        columns[c].add_indirect(merged(children[i]));
      }
    }
  }
  return columns;
}

Columns PlanColumns::of_cte(const Json& op) {
  const Json::Array& children = elements(op, "children");
  if (children.size() != 2) {
    not_understood("a WITH query without a definition");
    return concatenated(of_children(op));
  }
  ctes_[op.integer_or("table_index", -1)] = of(children[0]);
  return of(children[1]);
}

/// The columns grow with each turn until nothing new flows in; each turn adds at least one origin.
Columns PlanColumns::of_recursive_cte(const Json& op) {
  const Json::Array& children = elements(op, "children");
  std::int64_t number = op.integer_or("table_index", -1);
  if (children.size() != 2) {
    not_understood("a recursive WITH query without two parts");
    return concatenated(of_children(op));
  }
  Columns columns = of(children[0]);
  for (;;) {
    ctes_[number] = columns;
    Columns grown = of_set_operation("LOGICAL_UNION", {columns, of(children[1])});
    if (grown == columns) break;
    columns = std::move(grown);
  }
  numbered_[number] = columns;
  return columns;
}

/// VALUES: rows of expressions.
Columns PlanColumns::of_rows(const Json& op, const Columns& inputs) {
  Columns columns(elements(op, "expr_types").size());
  for (const Json& row : elements(op, "expressions")) {
    if (!row.is_array()) continue;
    for (std::size_t i = 0; i < std::min(columns.size(), row.as_array().size()); ++i) {
      columns[i].add(expression(row.as_array()[i], inputs));
    }
  }
  remember(op, "table_index", columns);
  return columns;
}

/// Many values of a PIVOT: the groups stay, and every further column is made of the lists of names
/// and values that its input collected.
Columns PlanColumns::of_pivot(const Json& op, Columns inputs) {
  const Json& pivot = op["bound_pivot"];
  auto groups = static_cast<std::size_t>(pivot.integer_or("group_count", 0));
  std::size_t types = elements(pivot, "types").size();
  if (groups > inputs.size() || types < groups) {
    not_understood("operator LOGICAL_PIVOT of an unknown shape");
    return inputs;
  }
  Origin rest = merged(Columns(inputs.begin() + static_cast<std::ptrdiff_t>(groups), inputs.end()));
  inputs.resize(groups);
  inputs.resize(types, rest);
  remember(op, "pivot_index", inputs);
  return inputs;
}

Columns PlanColumns::of_delim_get(const Json& op) {
  std::size_t width = elements(op, "chunk_types").size();
  Columns columns(width);
  if (!delims_.empty() && delims_.back().size() == width) {
    columns = delims_.back();
  } else {
    not_understood("the outer columns of a dependent subquery");
  }
  remember(op, "table_index", columns);
  return columns;
}

Origin PlanColumns::expression(const Json& expression, const Columns& inputs) {
  Origin origin;
  collect(expression, inputs, origin);
  return origin;
}

void PlanColumns::collect_indirect(const Json& expression, const Columns& inputs, Origin& into) {
  into.add_indirect(this->expression(expression, inputs));
}

void PlanColumns::collect(const Json& expression, const Columns& inputs, Origin& into) {
  if (expression.is_array()) {
    for (const Json& element : expression.as_array()) collect(element, inputs, into);
    return;
  }
  if (!expression.is_object()) return;
  std::string type = expression.string_or("type", "");
  if (type == "BOUND_REF") {
    std::int64_t index = expression.integer_or("index", -1);
    if (index < 0 || index >= static_cast<std::int64_t>(inputs.size())) {
      return not_understood("a reference beyond the columns of its operator's inputs");
    }
    return into.add(inputs[static_cast<std::size_t>(index)]);
  }
  if (type == "BOUND_COLUMN_REF") {
    const Json& binding = expression["binding"];
    auto found = numbered_.find(binding.integer_or("table_index", -1));
    auto column = static_cast<std::size_t>(binding.integer_or("column_index", -1));
    if (found == numbered_.end() || column >= found->second.size()) {
      return not_understood("a reference to an operator that was not met before");
    }
    return into.add(found->second[column]);
  }
  if (type.starts_with("WINDOW_")) return collect_window(expression, inputs, into);
  if (expression.string_or("expression_class", "") == "BOUND_SUBQUERY") {
    return not_understood("a subquery that was not made a join");
  }
  for (const auto& [name, value] : expression.as_object()) {
    if (is_one_of(name, kNoInputs)) continue;
    bool deciding = name == "when_expr" ||
                    (type == "BOUND_AGGREGATE" && (name == "filter" || name == "order_bys"));
    if (deciding) {
      collect_indirect(value, inputs, into);
    } else {
      collect(value, inputs, into);
    }
  }
}

void PlanColumns::collect_window(const Json& expression, const Columns& inputs, Origin& into) {
  for (const auto& [name, value] : expression.as_object()) {
    if (is_one_of(name, kNoInputs)) continue;
    if (name == "children" || name == "default_expr") {
      collect(value, inputs, into);
    } else {
      collect_indirect(value, inputs, into);
    }
  }
}

}  // namespace millrace::sql
