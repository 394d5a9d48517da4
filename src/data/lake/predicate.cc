#include "lake/predicate.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"
#include "lake/statistics.h"
#include "lake/value.h"

namespace millrace::lake {

namespace {

using columnar::Field;
using columnar::Kind;

bool is_null_test(Comparison comparison) {
  return comparison == Comparison::IsNull || comparison == Comparison::IsNotNull;
}

bool holds(const Value& value, Comparison comparison, const Value& literal) {
  switch (comparison) {
    case Comparison::Equal:
      return value == literal;
    case Comparison::NotEqual:
      return value != literal;
    case Comparison::Less:
      return value < literal;
    case Comparison::LessOrEqual:
      return value <= literal;
    case Comparison::Greater:
      return value > literal;
    case Comparison::GreaterOrEqual:
      return value >= literal;
    default:
      return true;
  }
}

bool partition_may_match(const std::optional<std::string>& text, const Condition& condition,
                         const Field& field) {
  const bool is_null = !text || text->empty();  // the log writes null both ways
  if (condition.comparison == Comparison::IsNull) return is_null;
  if (condition.comparison == Comparison::IsNotNull) return !is_null;
  if (is_null) return false;
  const std::optional<Value> value = parse_value(field.type, *text);
  const std::optional<Value> literal = parse_value(field.type, condition.literal);
  return !value || !literal || holds(*value, condition.comparison, *literal);
}

/// Writers cut moments to milliseconds, so the greatest may be up to one more.
Value upper_bound(const Field& field, Value max) {
  const bool is_moment =
      field.type.kind == Kind::Timestamp || field.type.kind == Kind::TimestampNtz;
  if (is_moment) std::get<WideInteger>(max) += 999;
  return max;
}

bool nulls_may_match(const AddFile& file, const FileStatistics& statistics,
                     const Condition& condition) {
  // Counts are of all rows, those that a deletion vector takes away among them.
  const std::optional<std::int64_t> nulls = statistics.null_count(condition.column);
  if (!nulls || file.file.deletion_vector) return true;
  if (condition.comparison == Comparison::IsNull) return *nulls > 0;
  return statistics.row_count() != nulls;
}

bool extremes_may_match(const FileStatistics& statistics, const Condition& condition,
                        const Field& field) {
  const std::optional<Value> min = parse_statistic(field.type, statistics.min(condition.column));
  const std::optional<Value> max = parse_statistic(field.type, statistics.max(condition.column));
  const std::optional<Value> literal = parse_value(field.type, condition.literal);
  if (!literal) return true;
  const bool below = min && *literal < *min;
  const bool above = max && upper_bound(field, *max) < *literal;
  // NaN is greater than every number, and a float's maximum does not count it.
  const bool may_hold_nan = field.type.kind == Kind::Float32 || field.type.kind == Kind::Float64;
  switch (condition.comparison) {
    case Comparison::Equal:
      return !below && !above;
    case Comparison::Less:
      return !min || *min < *literal;
    case Comparison::LessOrEqual:
      return !below;
    case Comparison::Greater:
      return may_hold_nan || !max || *literal < upper_bound(field, *max);
    case Comparison::GreaterOrEqual:
      return may_hold_nan || !above;
    default:
      return true;
  }
}

}  // namespace

Status check_predicate(const Predicate& predicate, const columnar::Schema& schema) {
  for (const Condition& condition : predicate) {
    const std::optional<std::size_t> column = schema.index_of(condition.column);
    if (!column) {
      return Error(ErrorCode::NotFound, fmt::format("no column '{}'{}", condition.column,
                                                    suggestion(condition.column, schema.names())));
    }
    const columnar::DataType& type = schema[*column].type;
    if (is_null_test(condition.comparison) || parse_value(type, condition.literal)) continue;
    return Error(ErrorCode::Invalid,
                 fmt::format("'{}' is no {}, which column '{}' holds", condition.literal,
                             columnar::to_sql(type), condition.column));
  }
  return {};
}

bool may_match(const AddFile& file, const Predicate& predicate, const columnar::Schema& schema,
               const std::vector<std::string>& partition_columns) {
  std::optional<FileStatistics> statistics;
  return std::ranges::all_of(predicate, [&](const Condition& condition) {
    const Field& field = schema[*schema.index_of(condition.column)];
    // A FLOAT is compared as FLOAT or as DOUBLE, by the type of what it is compared with: 0.1 is
    // equal to one and not to the other. Which one is not known here.
    if (field.type.kind == Kind::Float32 && !is_null_test(condition.comparison)) return true;
    if (std::ranges::find(partition_columns, field.name) != partition_columns.end()) {
      const auto value = file.partition_values.find(field.name);
      if (value == file.partition_values.end()) return true;
      return partition_may_match(value->second, condition, field);
    }
    if (!file.stats) return true;
    if (!statistics) statistics = FileStatistics::parse(*file.stats);
    Condition exact = condition;
    exact.column = field.name;
    return is_null_test(condition.comparison) ? nulls_may_match(file, *statistics, exact)
                                              : extremes_may_match(*statistics, exact, field);
  });
}

}  // namespace millrace::lake
