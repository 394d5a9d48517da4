#pragma once

// What a statement reads and writes: tables, and where each column comes from.
//
// It is read from the plan to which the engine bound the statement (engine::Session::bind), so
// stars, views, names without a table and all else that needs a catalog is resolved already, by the
// one who knows. Only the plan's structure is interpreted here.

#include <compare>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "columnar/schema.h"

namespace millrace::sql {

/// A column of a table that a statement reads.
struct SourceColumn {
  std::string table;  // "flights" or "raw.flights"
  std::string column;

  auto operator<=>(const SourceColumn&) const = default;
};

struct ColumnLineage {
  std::string name;
  /// Its values are made of the values of these: copied, computed, aggregated.
  std::set<SourceColumn> direct;
  /// These decide which values it is made of: filters, join conditions, groups, windows, the
  /// condition of a CASE, order. A column may be in both.
  std::set<SourceColumn> indirect;
};

struct References {
  std::set<std::string> reads;   // tables, "flights" or "raw.flights"
  std::set<std::string> writes;  // tables and views made, changed or dropped
  std::set<std::string> files_read;
  std::set<std::string> files_written;
  /// Of the answer; of a statement that writes, of the columns that it writes.
  std::vector<ColumnLineage> columns;
  /// Of the statement as a whole: what decides which rows are given, written or deleted.
  std::set<SourceColumn> indirect;
  /// Parts of the plan whose meaning is not known here ("operator LOGICAL_X", "table function f"):
  /// what they read or pass on may be missing above. Empty: all of it was understood.
  std::vector<std::string> not_understood;
};

/// `plan` and `result` as bind() gives them; `result` names the columns of an answer. Errors:
/// Invalid when `plan` is no plan.
Result<References> find_references(const Json& plan, const columnar::Schema& result);

}  // namespace millrace::sql
