#pragma once

// The tables that a SELECT names, and the versions of them that it asks for: AT (VERSION => 3),
// AT (TIMESTAMP => ...).
//
// It works on the syntax tree (engine::Session::parse), before any name is looked up. So a command
// can see which versions of which tables a question needs, define them as relations, and ask the
// question over those:
//
//   Json tree = TRY(session.parse("select * from raw.clicks at (version => 3)"));
//   TRY(replace_tables(tree, [](const TableUse& use) { return "raw.clicks_v3"; }));
//   session.query(TRY(session.unparse(tree)));     // SELECT * FROM raw.clicks_v3 AS clicks

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::sql {

/// AT (unit => expression).
struct AtClause {
  enum class Unit : std::uint8_t { Version, Timestamp };
  Unit unit = Unit::Version;
  Json expression;  // a tree; select_expression makes it a question that gives its value

  bool operator==(const AtClause&) const = default;
};

/// One place where a statement names a table.
struct TableUse {
  std::string catalog;  // empty when not written, as mostly
  std::string schema;   // empty when not written
  std::string name;
  std::optional<AtClause> at;

  bool operator==(const TableUse&) const = default;
  /// As it was written, without quotes: "raw.clicks".
  std::string text() const;
};

/// Every use of a table, in the order of the tree. The names of WITH queries are no tables where
/// they are in scope. Errors: Invalid when `tree` is no syntax tree.
Result<std::vector<TableUse>> find_tables(const Json& tree);

/// Puts other tables in their places: the answer of `replacement` is "name" or "schema.name", or
/// nothing to leave a table as it is. The AT clause goes away, and the table is called as before in
/// the rest of the statement ("clicks.id", "raw.clicks.id"). Errors: Invalid when `tree` is no
/// syntax tree or a new name is not allowed.
Status replace_tables(
    Json& tree, const std::function<std::optional<std::string>(const TableUse&)>& replacement);

/// The tree of "SELECT expression".
Json select_expression(const Json& expression);

}  // namespace millrace::sql
