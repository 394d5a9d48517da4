#pragma once

// What became of a suite: one verdict for each expectation, in the suite's order.
//
// The JSON is Great Expectations' validation result (1.x), so that what reads theirs reads ours.
// One difference is deliberate: there an expectation that could not be evaluated carries its
// exception under the id of an internal metric; here exception_info is flat, as it is for all
// others.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "quality/suite.h"

namespace millrace::quality {

/// How many rows were looked at and how many were not as expected.
struct RowCounts {
  std::int64_t elements = 0;    // rows of the table
  std::int64_t missing = 0;     // rows left out: the value is null, or ignore_row_if says so
  std::int64_t unexpected = 0;  // of the others
  /// Expectations about nulls themselves leave nothing out and report no missing_*.
  bool reports_missing = true;

  std::int64_t considered() const { return elements - missing; }
  /// 0..100 of the rows considered; nothing when there are none.
  std::optional<double> unexpected_percent() const;
};

/// One row that was not as expected.
struct Sample {
  Json value;  // the value; [a, b] of a pair; {column: value} of several columns
  Json index;  // {column: value, key: value} when index columns were asked for, else null
};

struct Verdict {
  Expectation expectation;
  bool success = false;
  std::optional<RowCounts> rows;  // expectations about values and rows
  std::vector<Sample> samples;    // the first of the unexpected rows, for the same
  std::optional<Json> observed;   // expectations about a column or a table as a whole
  Json details;                   // more about `observed`, or null
  std::string exception;          // why it could not be evaluated; then success is false
};

/// How much of a verdict is written. Complete adds nothing that was not sampled: its
/// unexpected_list is all of them when `samples` holds all of them, and is left out otherwise.
enum class ResultFormat : std::uint8_t { BooleanOnly, Basic, Summary, Complete };

struct SuiteVerdict {
  std::string suite_name;
  bool success = false;          // every expectation was met, whatever its severity
  std::vector<Verdict> results;  // in the suite's order
  Json meta;

  std::size_t successful() const;
  /// The worst severity among those that failed.
  std::optional<Severity> worst_failure() const;
};

Json to_json(const Verdict& verdict, ResultFormat format = ResultFormat::Summary);
Json to_json(const SuiteVerdict& verdict, ResultFormat format = ResultFormat::Summary);

/// One line for people: the expectation, its column, the counts and some of the unexpected values.
/// "expect_column_values_to_be_between of dep_delay (min_value -60): 37 of 9123 values are
/// unexpected (0.41 %): 1301, 1137, ..."
std::string describe(const Verdict& verdict);

// The parts of that line, for a table.

/// "dep_delay (min_value -60)"; "" of a table without arguments.
std::string subject_of(const Verdict& verdict);
/// "37 of 9123 values are unexpected (0.41 %): 1301, 1137, ...". Where nulls are what is unexpected,
/// they are counted and not listed.
std::string finding_of(const Verdict& verdict);

}  // namespace millrace::quality
