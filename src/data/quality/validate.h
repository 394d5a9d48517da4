#pragma once

// Validates a table: a suite in, one verdict for each expectation out.
//
//   auto verdict = TRY(validate(session, {.relation = "raw.flights"}, suite));
//   if (!verdict.success) ...   // a failed expectation is a value, not an error
//
// One SELECT computes all counts, sums, extremes and sets of values at once. Beside it, and only
// where the suite asks for it: one pass for each set of columns that must be unique or whose values
// are counted, one for each median and standard deviation, and one for a sum of floating-point
// numbers all below 1e-18 or some above 4e18. Where anything was unexpected, one more filtered pass
// fetches samples of it; a set of distinct values lists what else the column holds. Everything is
// exact, and the same on every run: sums of floating-point numbers do not depend on the order of
// the rows (exact_sum.h).
//
// Memory is the engine's limit and 128 MB at most beside it; rows stream.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "columnar/schema.h"
#include "engine/engine.h"
#include "quality/suite.h"
#include "quality/verdict.h"

namespace millrace::quality {

/// What is validated: a relation of the session, or the answer of a SELECT (asked once for each
/// pass: load it into a relation first when it is costly).
struct Batch {
  engine::RelationName relation;
  std::string select;
};

/// Which expectations get samples: those that failed, or also those that were met in spite of some
/// unexpected rows (`mostly`), as Great Expectations does. Where none gets any there is no pass.
enum class SamplesOf : std::uint8_t { Failed, All };

struct ValidateOptions {
  /// Columns that put the samples in order. Without them samples come in the order of the scan.
  std::vector<std::string> order_by;
  /// Columns that say which row a sample is (Great Expectations' unexpected_index_column_names).
  std::vector<std::string> index_columns;
  std::size_t samples = 20;  // of each expectation; at most 10,000
  SamplesOf samples_of = SamplesOf::Failed;
  /// Copied into the verdict: run id, validation time, version of the table.
  Json meta;
  /// Called before each pass with what it does, its number from 0, and how many passes are known to
  /// come. How far a pass is, Session::progress() tells, of an engine with Limits::progress.
  std::function<void(std::string_view pass, std::size_t done, std::size_t known)> progress;
};

/// Errors: NotFound or Invalid when the table itself cannot be read, or a column of the options is
/// not there; Exhausted and Cancelled from the engine. A missing column, a value of the suite that
/// cannot stand in its column, an overflow: a failed verdict with `exception`, and the others are
/// evaluated.
Result<SuiteVerdict> validate(engine::Session& session, const Batch& batch, const Suite& suite,
                              const ValidateOptions& options = {});

/// An expectation that no table with these columns can answer.
struct Misfit {
  Error
      error;  // "expectation 3 (expect_column_values_to_not_be_null): The column ... does not exist"
  Severity severity = Severity::Critical;
};

/// Before a row is looked at: a column that is not there, a value that cannot stand in its column.
std::vector<Misfit> misfits(const Suite& suite, const columnar::Schema& columns);

}  // namespace millrace::quality
