#include "quality/question.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"
#include "quality/exact_sum.h"
#include "quality/literal.h"
#include "quality/type_names.h"
#include "sql/names.h"

namespace millrace::quality {
namespace {

using columnar::DataType;
using columnar::Field;
using columnar::Kind;
using columnar::Schema;

/// A compilation of one expectation: remembers which aggregates it asked for.
class Compiler {
 public:
  Compiler(const Expectation& expectation, const Schema& schema, FusedScan& scan)
      : expectation_(expectation), schema_(schema), scan_(scan) {}

  Result<Question> run() {
    question_.about =
        TRY(std::visit([this](const auto& check) { return compile(check); }, expectation_.check));
    return std::move(question_);
  }

 private:
  std::size_t ask(const std::string& aggregate) {
    question_.aggregates.push_back(scan_.add(aggregate));
    return question_.aggregates.back();
  }

  /// Columns are named exactly, as Great Expectations does it.
  Result<const Field*> field(const std::string& name) const {
    for (const Field& field : schema_.fields())
      if (field.name == name) return &field;
    return Error(ErrorCode::NotFound, fmt::format("The column \"{}\" does not exist{}", name,
                                                  suggestion(name, schema_.names())));
  }

  About settled(bool success, std::optional<Json> observed, Json details = {}) const {
    Verdict verdict = verdict_on(expectation_);
    verdict.success = success;
    verdict.observed = std::move(observed);
    verdict.details = std::move(details);
    return Settled{std::move(verdict)};
  }

  Result<About> compile(const ColumnExists& check);
  Result<About> compile(const ColumnCount& check);
  Result<About> compile(const ColumnsInOrder& check);
  Result<About> compile(const ColumnsAsSet& check);
  Result<About> compile(const ColumnType& check);
  Result<About> compile(const RowCount& check);
  Result<About> compile(const ColumnValues& check);
  Result<About> compile(const ColumnPair& check);
  Result<About> compile(const Unique& check);
  Result<About> compile(const ColumnStatistic& check);
  Result<About> compile(const DistinctValues& check);

  // What is expected of a value that is not missing, as a condition.
  Result<std::string> expected(const NotNull&, const Field& field);
  Result<std::string> expected(const IsNull&, const Field& field);
  Result<std::string> expected(const Between& rule, const Field& field);
  Result<std::string> expected(const LengthBetween& rule, const Field& field);
  Result<std::string> expected(const InSet& rule, const Field& field);
  Result<std::string> expected(const Matches& rule, const Field& field);
  Result<std::string> expected(const Like& rule, const Field& field);

  Result<About> extreme(const ColumnStatistic& check, const Field& field);
  SumQuestion sum_of(const Field& field);
  std::optional<RangeQuestion> range_of(const Field& field);
  Result<std::vector<std::string>> literals(const std::vector<Json>& values, const Field& field,
                                            bool& complete);

  const Expectation& expectation_;
  const Schema& schema_;
  FusedScan& scan_;
  Question question_;
};

/// The column as text: what a pattern looks at. Numbers and moments are read as they are printed.
std::string as_text(const Field& field) {
  const std::string name = sql::quote_identifier(field.name);
  return field.type.kind == Kind::String ? name : "CAST(" + name + " AS VARCHAR)";
}

std::string comma_list(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + text;
  return list;
}

bool is_whole(const DataType& type) {
  return type.is_integer() || type.kind == Kind::Date;
}

std::string kept_rows(const std::vector<std::string>& columns, IgnoreRow ignore) {
  if (ignore == IgnoreRow::Never) return "true";
  std::string condition;
  for (const std::string& column : columns) {
    if (!condition.empty()) condition += ignore == IgnoreRow::AnyMissing ? " AND " : " OR ";
    condition += sql::quote_identifier(column) + " IS NOT NULL";
  }
  return "(" + condition + ")";
}

// The shape of the table -------------------------------------------------------------------------

Result<About> Compiler::compile(const ColumnExists& check) {
  const auto names = schema_.names();
  const auto found = std::find(names.begin(), names.end(), check.column);
  const bool there =
      found != names.end() &&
      (!check.index || *check.index == static_cast<std::int64_t>(found - names.begin()));
  return settled(there, std::nullopt);
}

Result<About> Compiler::compile(const ColumnCount& check) {
  const auto count = static_cast<std::int64_t>(schema_.size());
  return settled(is_within(static_cast<double>(count), check.bounds), count);
}

Result<About> Compiler::compile(const ColumnsInOrder& check) {
  const auto names = schema_.names();
  Json mismatched = Json::array();
  for (std::size_t i = 0; i < std::max(names.size(), check.columns.size()); ++i) {
    const Json wanted = i < check.columns.size() ? Json(check.columns[i]) : Json();
    const Json found = i < names.size() ? Json(names[i]) : Json();
    if (wanted == found) continue;
    mismatched.push(Json::object({{"Expected Column Position", static_cast<std::int64_t>(i)},
                                  {"Expected", wanted},
                                  {"Found", found}}));
  }
  const bool same = mismatched.as_array().empty();
  Json details;
  if (!same) details = Json::object({{"mismatched", std::move(mismatched)}});
  return settled(same, Json(names), std::move(details));
}

Result<About> Compiler::compile(const ColumnsAsSet& check) {
  const auto names = schema_.names();
  if (!check.columns && !check.exact) return settled(true, Json(names));
  std::vector<std::string> unexpected = names;
  std::vector<std::string> missing = check.columns.value_or(std::vector<std::string>{});
  const auto take_out = [](std::vector<std::string>& from, const std::vector<std::string>& what) {
    std::erase_if(from, [&](const std::string& name) {
      return std::find(what.begin(), what.end(), name) != what.end();
    });
    std::sort(from.begin(), from.end());
  };
  take_out(unexpected, check.columns.value_or(std::vector<std::string>{}));
  take_out(missing, names);
  Json mismatched = Json::object();
  if (!unexpected.empty()) mismatched.set("unexpected", Json(unexpected));
  if (!missing.empty()) mismatched.set("missing", Json(missing));
  return settled(missing.empty() && (unexpected.empty() || !check.exact), Json(names),
                 Json::object({{"mismatched", std::move(mismatched)}}));
}

Result<About> Compiler::compile(const ColumnType& check) {
  const Field* column = TRY(field(check.column));
  const bool fits = check.types.empty() ||
                    std::any_of(check.types.begin(), check.types.end(),
                                [&](const auto& name) { return type_fits(column->type, name); });
  return settled(fits, Json(columnar::to_sql(column->type)));
}

Result<About> Compiler::compile(const RowCount&) {
  return RowCountQuestion{ask("count(*)")};
}

// Values and rows --------------------------------------------------------------------------------

Result<About> Compiler::compile(const ColumnValues& check) {
  const Field* column = TRY(field(check.column));
  const std::string wanted =
      TRY(std::visit([&](const auto& rule) { return expected(rule, *column); }, check.rule));
  const bool about_nulls =
      std::holds_alternative<NotNull>(check.rule) || std::holds_alternative<IsNull>(check.rule);
  RowsQuestion rows;
  rows.elements = ask("count(*)");
  rows.considered =
      about_nulls ? rows.elements : ask("count(" + sql::quote_identifier(check.column) + ")");
  // A missing value makes the condition null, and null is never counted.
  rows.condition = "NOT (" + wanted + ")";
  rows.unexpected = ask("count(*) FILTER (WHERE " + rows.condition + ")");
  rows.columns = {check.column};
  rows.reports_missing = !about_nulls;
  return rows;
}

Result<std::string> Compiler::expected(const NotNull&, const Field& field) {
  return sql::quote_identifier(field.name) + " IS NOT NULL";
}

Result<std::string> Compiler::expected(const IsNull&, const Field& field) {
  return sql::quote_identifier(field.name) + " IS NULL";
}

Result<std::string> Compiler::expected(const Between& rule, const Field& field) {
  return within(sql::quote_identifier(field.name), field.type, rule.bounds);
}

Result<std::string> Compiler::expected(const LengthBetween& rule, const Field& field) {
  if (field.type.kind != Kind::String)
    return Error(ErrorCode::Invalid, fmt::format("the column {} is {}; a length is that of a text",
                                                 field.name, columnar::to_sql(field.type)));
  return within("length(" + sql::quote_identifier(field.name) + ")", columnar::simple(Kind::Int64),
                rule.bounds);
}

Result<std::string> Compiler::expected(const InSet& rule, const Field& field) {
  bool complete = true;
  const std::vector<std::string> values = TRY(literals(rule.values, field, complete));
  const std::string list = comma_list(values);
  // An empty set holds no value; the comparison keeps missing values missing.
  const std::string name = sql::quote_identifier(field.name);
  if (list.empty())
    return fmt::format("CASE WHEN {} IS NOT NULL THEN {} END", name,
                       rule.inside ? "false" : "true");
  return fmt::format("{}{} IN ({})", rule.inside ? "" : "NOT ", name, list);
}

Result<std::string> Compiler::expected(const Matches& rule, const Field& field) {
  return fmt::format("{}regexp_matches({}, {})", rule.wanted ? "" : "NOT ", as_text(field),
                     sql::quote_literal(rule.pattern));
}

Result<std::string> Compiler::expected(const Like& rule, const Field& field) {
  std::string condition;
  for (const std::string& pattern : rule.patterns) {
    if (!condition.empty()) condition += rule.any ? " OR " : " AND ";
    condition += as_text(field) + " LIKE " + sql::quote_literal(pattern);
  }
  if (condition.empty()) return Error(ErrorCode::Invalid, "like_pattern_list holds no pattern");
  return fmt::format("{}({})", rule.wanted ? "" : "NOT ", condition);
}

Result<About> Compiler::compile(const ColumnPair& check) {
  TRY(field(check.a));
  TRY(field(check.b));
  const char* sign = check.comparison == Comparison::Equal     ? "="
                     : check.comparison == Comparison::Greater ? ">"
                                                               : ">=";
  const std::string kept = kept_rows({check.a, check.b}, check.ignore);
  RowsQuestion rows;
  rows.elements = ask("count(*)");
  rows.considered = ask("count(*) FILTER (WHERE " + kept + ")");
  rows.condition =
      fmt::format("({} AND ({} {} {}) IS NOT TRUE)", kept, sql::quote_identifier(check.a), sign,
                  sql::quote_identifier(check.b));
  rows.unexpected = ask("count(*) FILTER (WHERE " + rows.condition + ")");
  rows.columns = {check.a, check.b};
  rows.shape = SampleShape::Pair;
  return rows;
}

Result<About> Compiler::compile(const Unique& check) {
  if (check.columns.empty()) return Error(ErrorCode::Invalid, "column_list names no column");
  for (const std::string& column : check.columns) TRY(field(column));
  UniqueQuestion unique;
  unique.elements = ask("count(*)");
  unique.kept = kept_rows(check.columns, check.ignore);
  unique.considered = ask("count(*) FILTER (WHERE " + unique.kept + ")");
  unique.columns = check.columns;
  unique.shape = check.compound ? SampleShape::Object : SampleShape::Value;
  if (!check.compound) unique.range = range_of(*TRY(field(check.columns.front())));
  return unique;
}

// Columns as a whole -----------------------------------------------------------------------------

std::optional<RangeQuestion> Compiler::range_of(const Field& field) {
  if (!is_whole(field.type)) return std::nullopt;
  const std::string number = whole_number(sql::quote_identifier(field.name), field.type);
  return RangeQuestion{ask("min(" + number + ")"), ask("max(" + number + ")")};
}

SumQuestion Compiler::sum_of(const Field& field) {
  const std::string name = sql::quote_identifier(field.name);
  SumQuestion sum;
  sum.count = ask("count(" + name + ")");
  sum.floating = field.type.is_floating();
  if (!sum.floating) {
    sum.parts = {ask("CAST(sum(" + name + ") AS VARCHAR)")};
    return sum;
  }
  const auto exact = ExactSum::expressions("CAST(" + name + " AS DOUBLE)", 0);
  for (const std::string& part : exact.parts) sum.parts.push_back(ask(part));
  sum.beyond = ask(exact.beyond);
  sum.not_finite = ask(exact.not_finite);
  sum.magnitude = ask(exact.magnitude);
  return sum;
}

Result<About> Compiler::extreme(const ColumnStatistic& check, const Field& field) {
  const std::string aggregate =
      fmt::format("{}({})", check.statistic == Statistic::Minimum ? "min" : "max",
                  sql::quote_identifier(field.name));
  StatisticQuestion question;
  question.count = ask("count(" + sql::quote_identifier(field.name) + ")");
  question.extreme = ask(aggregate);
  question.within = ask(TRY(within(aggregate, field.type, check.bounds)));
  return question;
}

Result<About> Compiler::compile(const ColumnStatistic& check) {
  const Field* column = TRY(field(check.column));
  if (check.statistic == Statistic::Minimum || check.statistic == Statistic::Maximum)
    return extreme(check, *column);
  StatisticQuestion question;
  question.count = ask("count(" + sql::quote_identifier(column->name) + ")");
  if (check.statistic == Statistic::DistinctCount || check.statistic == Statistic::DistinctShare) {
    question.range = range_of(*column);
    return question;
  }
  if (!column->type.is_numeric())
    return Error(ErrorCode::Invalid, fmt::format("the column {} is {}; this needs a numeric column",
                                                 column->name, columnar::to_sql(column->type)));
  question.number = "CAST(" + sql::quote_identifier(column->name) + " AS DOUBLE)";
  if (check.statistic != Statistic::Median) question.sum = sum_of(*column);
  if (check.statistic == Statistic::StandardDeviation) {
    question.extreme = ask("min(" + question.number + ")");
    question.within = ask("max(" + question.number + ")");
  }
  return question;
}

/// The values that the column could hold, as literals. A value of another kind matches nothing, as
/// in pandas; when none fits, the set is about something else.
Result<std::vector<std::string>> Compiler::literals(const std::vector<Json>& values,
                                                    const Field& field, bool& complete) {
  std::vector<std::string> fitting;
  std::optional<Error> misfit;
  for (const Json& value : values) {
    if (value.is_null()) continue;
    auto one = literal(value, field.type);
    if (one.ok())
      fitting.push_back(*std::move(one));
    else
      misfit = std::move(one).error();
  }
  complete = !misfit.has_value();
  if (misfit && fitting.empty()) return std::move(*misfit).while_doing("value_set");
  return fitting;
}

Result<About> Compiler::compile(const DistinctValues& check) {
  const Field* column = TRY(field(check.column));
  DistinctQuestion question;
  const std::string set = comma_list(TRY(literals(check.values, *column, question.complete)));
  const std::string name = sql::quote_identifier(column->name);
  const std::string inside = set.empty() ? "false" : fmt::format("{} IN ({})", name, set);
  question.found = ask(fmt::format("list_sort(list(DISTINCT {}) FILTER (WHERE {}))", name, inside));
  question.outside = ask(fmt::format("count({}) FILTER (WHERE {})", name, "NOT (" + inside + ")"));
  question.wanted = ask(set.empty() ? "0" : fmt::format("len(list_distinct([{}]))", set));
  return question;
}

}  // namespace

std::size_t FusedScan::add(const std::string& aggregate) {
  const auto [place, added] = places_.emplace(aggregate, aggregates_.size());
  if (added) aggregates_.push_back(aggregate);
  return place->second;
}

Result<Question> compile(const Expectation& expectation, const Schema& schema, FusedScan& scan) {
  return Compiler(expectation, schema, scan).run();
}

Verdict verdict_on(const Expectation& expectation) {
  Verdict verdict;
  verdict.expectation = expectation;
  return verdict;
}

}  // namespace millrace::quality
