#pragma once

// What each expectation asks of the one scan, and what it asks afterwards.
//
// Compiling a suite gives a list of SQL aggregates, all computed by one SELECT (equal ones once),
// and for each expectation where in the answer its numbers stand. What needs more than one scan can
// tell (uniqueness, a median, a standard deviation) keeps what it has to ask then.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "columnar/schema.h"
#include "quality/suite.h"
#include "quality/verdict.h"

namespace millrace::quality {

/// The aggregates of the one scan.
class FusedScan {
 public:
  /// Where its value will stand.
  std::size_t add(const std::string& aggregate);
  const std::vector<std::string>& aggregates() const { return aggregates_; }

 private:
  std::vector<std::string> aggregates_;
  std::map<std::string, std::size_t> places_;
};

/// How an unexpected row is shown: its value, [a, b], or {column: value}.
enum class SampleShape : std::uint8_t { Value, Pair, Object };

/// The shape of the table decided it: no row is needed.
struct Settled {
  Verdict verdict;
};

/// Rows are counted by a condition.
struct RowsQuestion {
  std::size_t elements = 0;
  std::size_t considered = 0;
  std::size_t unexpected = 0;
  std::string condition;  // true for an unexpected row
  std::vector<std::string> columns;
  SampleShape shape = SampleShape::Value;
  bool reports_missing = true;
};

/// Least and greatest of a column of whole numbers or days, for choosing how to count its values.
struct RangeQuestion {
  std::size_t min = 0;
  std::size_t max = 0;
};

struct UniqueQuestion {
  std::size_t elements = 0;
  std::size_t considered = 0;
  std::optional<RangeQuestion> range;
  std::string kept;  // the rows considered
  std::vector<std::string> columns;
  SampleShape shape = SampleShape::Value;
};

struct RowCountQuestion {
  std::size_t elements = 0;
};

/// The sum of a column: as text (whole numbers, decimals), or as an ExactSum (doubles).
struct SumQuestion {
  std::size_t count = 0;
  bool floating = false;
  std::vector<std::size_t> parts;  // one, or the three of ExactSum
  std::size_t beyond = 0;          // of ExactSum, as the next two
  std::size_t not_finite = 0;
  std::size_t magnitude = 0;
};

struct StatisticQuestion {
  std::string number;  // the column as a DOUBLE
  std::size_t count = 0;
  std::optional<SumQuestion> sum;      // Mean, Sum, StandardDeviation
  std::optional<RangeQuestion> range;  // DistinctCount, DistinctShare
  std::size_t extreme = 0;             // Minimum, Maximum; of StandardDeviation the least
  std::size_t within = 0;              // Minimum, Maximum; of StandardDeviation the greatest
};

/// Which values of a set the column holds. Of the column's other values only the number of rows is
/// counted, so that memory is bounded by the set.
struct DistinctQuestion {
  bool complete = true;     // every value of the set is one that the column could hold
  std::size_t found = 0;    // the values of the set that are there, ordered; null: none
  std::size_t outside = 0;  // rows with another value
  std::size_t wanted = 0;   // how many different values the set has
};

using About = std::variant<Settled, RowCountQuestion, RowsQuestion, UniqueQuestion,
                           StatisticQuestion, DistinctQuestion>;

struct Question {
  About about;
  std::vector<std::size_t> aggregates;  // which of the scan it needs: to ask it by itself
};

/// Errors: Invalid or Unsupported when the expectation cannot be evaluated on this table: the
/// column is missing (with the nearest name), a value of the suite cannot stand in it.
Result<Question> compile(const Expectation& expectation, const columnar::Schema& schema,
                         FusedScan& scan);

/// A verdict that says only which expectation it is about.
Verdict verdict_on(const Expectation& expectation);

}  // namespace millrace::quality
