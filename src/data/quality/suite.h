#pragma once

// An expectation suite: what must be true of a table, in Great Expectations' words.
//
// A suite is read from Great Expectations 1.x JSON as it is, from 0.18 JSON, and from the plain
// form that a project's YAML gives:
//
//   {"name": "training", "expectations": [
//     {"type": "expect_column_values_to_be_between", "column": "dep_delay", "min_value": -90,
//      "mostly": 0.99, "severity": "warning"}]}
//
// After reading, every expectation is a typed value: an unknown word, a missing or misspelt
// argument, a pattern that RE2 refuses, two numbers in the wrong order are errors here, before any
// row is looked at. vocabulary.cc has the words.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "columnar/schema.h"

namespace millrace::quality {

/// What a failure means to who reads it. It never changes `success` (as in Great Expectations);
/// the circuit before training may stay closed for a warning.
enum class Severity : std::uint8_t { Info, Warning, Critical };
std::string_view to_string(Severity severity);

/// A range of numbers, texts or moments. A null end is open; a strict end excludes itself.
struct Bounds {
  Json min;
  Json max;
  bool strict_min = false;
  bool strict_max = false;

  bool open() const { return min.is_null() && max.is_null(); }
};

/// Which rows an expectation about several columns leaves out.
enum class IgnoreRow : std::uint8_t { AllMissing, AnyMissing, Never };

// About the shape of the table -----------------------------------------------------------------

struct ColumnExists {
  std::string column;
  std::optional<std::int64_t> index;  // from 0
};
struct ColumnCount {
  Bounds bounds;
};
struct ColumnsInOrder {
  std::vector<std::string> columns;
};
struct ColumnsAsSet {
  std::optional<std::vector<std::string>> columns;  // nothing: only with `exact` is that a demand
  bool exact = true;                                // else more columns than these may be there
};
struct ColumnType {
  std::string column;
  std::vector<std::string> types;  // one of them; empty: any
};
struct RowCount {
  Bounds bounds;
};

// About each value of a column; a missing value is never unexpected, except to IsNull's opposite --

struct NotNull {};
struct IsNull {};
struct Between {
  Bounds bounds;
};
struct LengthBetween {
  Bounds bounds;  // characters
};
struct InSet {
  std::vector<Json> values;
  bool inside = true;  // false: the set is forbidden
};
struct Matches {
  std::string pattern;  // RE2; found anywhere in the text
  bool wanted = true;   // false: the pattern is forbidden
};
struct Like {
  std::vector<std::string> patterns;  // SQL's LIKE: % and _
  bool any = true;                    // of the patterns; else all of them
  bool wanted = true;
};
using ValueRule = std::variant<NotNull, IsNull, Between, LengthBetween, InSet, Matches, Like>;
struct ColumnValues {
  std::string column;
  ValueRule rule;
};

// About rows --------------------------------------------------------------------------------------

enum class Comparison : std::uint8_t { Equal, Greater, GreaterOrEqual };
struct ColumnPair {
  std::string a;
  std::string b;
  Comparison comparison = Comparison::Greater;  // a compared with b
  IgnoreRow ignore = IgnoreRow::AllMissing;
};
struct Unique {
  std::vector<std::string> columns;
  bool compound = false;  // said of several columns: samples are objects, missing parts count
  IgnoreRow ignore = IgnoreRow::AllMissing;
};

// About a column as a whole -----------------------------------------------------------------------

enum class Statistic : std::uint8_t {
  Mean,
  Minimum,
  Maximum,
  Sum,
  Median,
  StandardDeviation,  // of a sample (n - 1), as pandas and Great Expectations have it
  DistinctCount,      // values that are not missing
  DistinctShare,      // DistinctCount / values that are not missing
};
struct ColumnStatistic {
  std::string column;
  Statistic statistic = Statistic::Mean;
  Bounds bounds;
};
struct DistinctValues {
  std::string column;
  std::vector<Json> values;
  enum class Relation : std::uint8_t { Within, Equal, Contains } relation = Relation::Equal;
};

using Check =
    std::variant<ColumnExists, ColumnCount, ColumnsInOrder, ColumnsAsSet, ColumnType, RowCount,
                 ColumnValues, ColumnPair, Unique, ColumnStatistic, DistinctValues>;

struct Expectation {
  std::string type;  // "expect_column_values_to_not_be_null"
  Check check;
  double mostly = 1;  // the least share of considered rows that must be as expected
  Severity severity = Severity::Critical;
  Json kwargs;  // as they were written, without the common fields: for the verdict
  Json meta;    // an object
  std::string id;
  std::string notes;
};

struct Suite {
  // Out of line: whoever only passes a suite on does not compile how its checks are copied.
  Suite();
  Suite(const Suite&);
  Suite(Suite&&) noexcept;
  Suite& operator=(const Suite&);
  Suite& operator=(Suite&&) noexcept;
  ~Suite();

  std::string name;
  std::vector<Expectation> expectations;
  Json meta;
};

/// Values for {"$PARAMETER": "name"} in the arguments, by name.
using Parameters = std::map<std::string, Json, std::less<>>;

/// Reads a suite in any of the three forms. Errors: Invalid names the expectation (its place from 1
/// and its word), the argument, what was expected, and the nearest known word; Unsupported for
/// row_condition and for words of Great Expectations that we do not have.
Result<Suite> read_suite(const Json& document, const Parameters& parameters = {});

/// One expectation in the 1.x form: {"type", "kwargs", "meta", "severity"[, "id"][, "notes"]}.
Json to_json(const Expectation& expectation);
/// The suite in the 1.x form; read_suite reads it back as it was.
Json to_json(const Suite& suite);

/// The words that read_suite knows, in alphabetical order.
std::vector<std::string> known_expectations();

}  // namespace millrace::quality
