#pragma once

// Which files may hold rows that a reader wants: by their partition values and by the extremes in
// their statistics.
//
// A predicate only leaves files out; the reader filters the rows itself. So whatever is not
// understood, or not known of a file, keeps the file.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "columnar/schema.h"
#include "lake/actions.h"

namespace millrace::lake {

enum class Comparison : std::uint8_t {
  Equal,
  NotEqual,
  Less,
  LessOrEqual,
  Greater,
  GreaterOrEqual,
  IsNull,
  IsNotNull,
};

/// `column comparison literal`, as in SQL: never true where the column is null, IsNull apart.
struct Condition {
  std::string column;
  Comparison comparison = Comparison::Equal;
  std::string literal;  // as in a partition value: "2013-12-01", "42", "true", text as it is
};

/// All of them must hold.
using Predicate = std::vector<Condition>;

/// Errors: NotFound names a column that is not there, with a suggestion; Invalid a literal that is
/// no value of its column's type.
Status check_predicate(const Predicate& predicate, const columnar::Schema& schema);

/// Whether the file may hold a row for which the predicate is true. Precondition: it was checked.
bool may_match(const AddFile& file, const Predicate& predicate, const columnar::Schema& schema,
               const std::vector<std::string>& partition_columns);

}  // namespace millrace::lake
