#include "quality/validate.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"
#include "quality/ask.h"
#include "quality/literal.h"
#include "quality/numbers.h"
#include "quality/question.h"
#include "quality/samples.h"
#include "quality/uniqueness.h"
#include "sql/names.h"
#include "sql/statement_text.h"

namespace millrace::quality {
namespace {

constexpr std::size_t kMostSamples = 10'000;
constexpr std::int64_t kMostDistinctShown = 1'000;

/// Whether the statement itself is at fault, so that the other expectations may still be answered.
bool concerns_one_expectation(const Error& error) {
  return error.code() == ErrorCode::Invalid || error.code() == ErrorCode::NotFound ||
         error.code() == ErrorCode::Unsupported || error.code() == ErrorCode::DataQuality;
}

/// (successes / considered) >= mostly, as Great Expectations divides; nothing considered is
/// success.
bool mostly_as_expected(const RowCounts& rows, double mostly) {
  if (rows.considered() == 0) return true;
  return static_cast<double>(rows.considered() - rows.unexpected) /
             static_cast<double>(rows.considered()) >=
         mostly;
}

/// One validation on its way: the questions, the answers of the one scan, and what is asked after.
class Validation {
 public:
  Validation(engine::Session& session, std::string batch, const Suite& suite,
             const ValidateOptions& options)
      : session_(session), batch_(std::move(batch)), suite_(suite), options_(options) {}

  Result<SuiteVerdict> run() {
    TRY(compile_all());
    TRY(scan());
    SuiteVerdict verdict;
    verdict.suite_name = suite_.name;
    verdict.meta = options_.meta;
    for (std::size_t i = 0; i < suite_.expectations.size(); ++i)
      verdict.results.push_back(TRY(answer(i)));
    TRY(take_samples(verdict.results));
    verdict.success = verdict.successful() == verdict.results.size();
    return verdict;
  }

 private:
  Status compile_all();
  Status check_options(const columnar::Schema& schema) const;
  Status scan();
  Status scan_one_by_one();
  void begin_pass(std::string_view pass);
  std::size_t passes_after_the_scan() const;

  const Json& at(std::size_t i) const { return answers_[i]; }
  std::int64_t count_at(std::size_t i) const { return at(i).is_null() ? 0 : at(i).as_integer(); }

  Result<Verdict> answer(std::size_t i);
  Result<Verdict> answer(const Expectation& expectation, const Settled& about);
  Result<Verdict> answer(const Expectation& expectation, const RowCountQuestion& about);
  Result<Verdict> answer(const Expectation& expectation, const RowsQuestion& about);
  Result<Verdict> answer(const Expectation& expectation, const UniqueQuestion& about);
  Result<Verdict> answer(const Expectation& expectation, const StatisticQuestion& about);
  Result<Verdict> answer(const Expectation& expectation, const DistinctQuestion& about);

  Result<std::optional<double>> statistic(const ColumnStatistic& check,
                                          const StatisticQuestion& about);
  Result<Repetition> repetition(const std::vector<std::string>& columns, const std::string& kept,
                                std::int64_t count, const std::optional<RangeQuestion>& range);
  Result<Json> distinct_values(const std::string& column);
  Status take_samples(std::vector<Verdict>& verdicts);
  std::optional<SampleRequest> sample_request(std::size_t i, const Verdict& verdict) const;

  engine::Session& session_;
  std::string batch_;
  const Suite& suite_;
  const ValidateOptions& options_;
  FusedScan scan_;
  std::vector<Question> questions_;
  std::vector<std::string> exceptions_;  // of each expectation; "" where there is none
  std::vector<Json> answers_;
  std::map<std::string, Repetition> repetitions_;  // by what was grouped
  columnar::Schema schema_;
  std::size_t passes_done_ = 0;
};

Status Validation::check_options(const columnar::Schema& schema) const {
  for (const auto* list : {&options_.order_by, &options_.index_columns})
    for (const std::string& name : *list)
      if (!schema.index_of(name))
        return Error(ErrorCode::NotFound,
                     fmt::format("validating: the table has no column '{}' to order or name the "
                                 "samples by{}",
                                 name, suggestion(name, schema.names())));
  return {};
}

Status Validation::compile_all() {
  schema_ = TRY_DOING("validating", session_.bind("SELECT * FROM " + batch_)).result;
  TRY(check_options(schema_));
  scan_.add("count(*)");
  for (const Expectation& expectation : suite_.expectations) {
    auto question = compile(expectation, schema_, scan_);
    exceptions_.push_back(question.ok() ? "" : question.error().message());
    questions_.push_back(question.ok() ? *std::move(question) : Question{});
  }
  return {};
}

std::size_t Validation::passes_after_the_scan() const {
  return static_cast<std::size_t>(
      std::count_if(questions_.begin(), questions_.end(), [](const Question& question) {
        return std::holds_alternative<UniqueQuestion>(question.about);
      }));
}

void Validation::begin_pass(std::string_view pass) {
  if (options_.progress)
    options_.progress(pass, passes_done_, 1 + std::max(passes_done_, passes_after_the_scan()));
  ++passes_done_;
}

Status Validation::scan() {
  begin_pass("counting");
  std::string sql;
  for (const std::string& aggregate : scan_.aggregates())
    sql += (sql.empty() ? "SELECT " : ", ") + aggregate;
  auto row = ask_row(session_, sql + " FROM " + batch_);
  if (row.ok()) {
    answers_ = *std::move(row);
    return {};
  }
  if (!concerns_one_expectation(row.error())) return std::move(row).error();
  return scan_one_by_one();
}

/// Something in the one statement cannot be computed: finds out what, and keeps the rest.
Status Validation::scan_one_by_one() {
  answers_.assign(scan_.aggregates().size(), Json());
  answers_[0] =
      TRY_DOING("validating", ask_row(session_, "SELECT count(*) FROM " + batch_)).front();
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    const std::vector<std::size_t>& asked = questions_[i].aggregates;
    if (!exceptions_[i].empty() || asked.empty()) continue;
    std::string sql;
    for (const std::size_t place : asked)
      sql += (sql.empty() ? "SELECT " : ", ") + scan_.aggregates()[place];
    auto row = ask_row(session_, sql + " FROM " + batch_);
    if (!row.ok() && !concerns_one_expectation(row.error())) return std::move(row).error();
    if (!row.ok()) exceptions_[i] = row.error().message();
    if (row.ok())
      for (std::size_t j = 0; j < asked.size(); ++j) answers_[asked[j]] = (*row)[j];
  }
  return {};
}

Result<Verdict> Validation::answer(std::size_t i) {
  const Expectation& expectation = suite_.expectations[i];
  Verdict verdict = verdict_on(expectation);
  verdict.exception = exceptions_[i];
  if (!verdict.exception.empty()) return verdict;
  auto answered = std::visit([&](const auto& about) { return answer(expectation, about); },
                             questions_[i].about);
  if (answered.ok() || !concerns_one_expectation(answered.error())) return answered;
  verdict.exception = answered.error().message();
  return verdict;
}

Result<Verdict> Validation::answer(const Expectation& expectation, const Settled& about) {
  Verdict verdict = about.verdict;
  verdict.expectation = expectation;
  return verdict;
}

Result<Verdict> Validation::answer(const Expectation& expectation, const RowCountQuestion& about) {
  Verdict verdict = verdict_on(expectation);
  const std::int64_t rows = count_at(about.elements);
  verdict.observed = rows;
  verdict.success =
      is_within(static_cast<double>(rows), std::get<RowCount>(expectation.check).bounds);
  return verdict;
}

Result<Verdict> Validation::answer(const Expectation& expectation, const RowsQuestion& about) {
  Verdict verdict = verdict_on(expectation);
  RowCounts rows;
  rows.elements = count_at(about.elements);
  rows.missing = rows.elements - count_at(about.considered);
  rows.unexpected = count_at(about.unexpected);
  rows.reports_missing = about.reports_missing;
  verdict.rows = rows;
  verdict.success = mostly_as_expected(rows, expectation.mostly);
  return verdict;
}

Result<Verdict> Validation::answer(const Expectation& expectation, const UniqueQuestion& about) {
  Verdict verdict = verdict_on(expectation);
  RowCounts rows;
  rows.elements = count_at(about.elements);
  const std::int64_t considered = count_at(about.considered);
  rows.missing = rows.elements - considered;
  rows.unexpected = TRY(repetition(about.columns, about.kept, considered, about.range)).repeated;
  verdict.rows = rows;
  verdict.success = mostly_as_expected(rows, expectation.mostly);
  return verdict;
}

Result<Repetition> Validation::repetition(const std::vector<std::string>& columns,
                                          const std::string& kept, std::int64_t count,
                                          const std::optional<RangeQuestion>& range) {
  std::string list;
  for (const std::string& column : columns)
    list += (list.empty() ? "" : ", ") + sql::quote_identifier(column);
  const auto known = repetitions_.find(list + " " + kept);
  if (known != repetitions_.end()) return known->second;
  begin_pass("counting distinct values of " + list);
  Result<Repetition> found = Repetition{};
  if (count > 0 && range && !at(range->min).is_null()) {
    const WholeRange whole{at(range->min).as_integer(), at(range->max).as_integer(), count};
    const std::string number = whole_number(sql::quote_identifier(columns.front()),
                                            schema_[*schema_.index_of(columns.front())].type);
    found = whole.dense() ? count_in_bits(session_, batch_, number, whole)
                          : count_by_grouping(session_, batch_, list, kept);
  } else if (count > 0) {
    found = count_by_grouping(session_, batch_, list, kept);
  }
  if (found.ok()) repetitions_.emplace(list + " " + kept, *found);
  return found;
}

// Statistics -------------------------------------------------------------------------------------

Result<Verdict> Validation::answer(const Expectation& expectation, const StatisticQuestion& about) {
  const auto& check = std::get<ColumnStatistic>(expectation.check);
  Verdict verdict = verdict_on(expectation);
  if (check.statistic == Statistic::Minimum || check.statistic == Statistic::Maximum) {
    verdict.observed = at(about.extreme);
    verdict.success = at(about.within) == Json(true) && count_at(about.count) > 0;
    return verdict;
  }
  const std::optional<double> value = TRY(statistic(check, about));
  verdict.success = value && is_within(*value, check.bounds);
  verdict.observed = value ? Json(*value) : Json();
  if (value && check.statistic == Statistic::DistinctCount)
    verdict.observed = static_cast<std::int64_t>(*value);
  return verdict;
}

Result<std::optional<double>> Validation::statistic(const ColumnStatistic& check,
                                                    const StatisticQuestion& about) {
  const std::int64_t count = count_at(about.count);
  const auto values = static_cast<double>(count);
  switch (check.statistic) {
    case Statistic::DistinctCount:
    case Statistic::DistinctShare: {
      const Repetition found = TRY(
          repetition({check.column}, "(" + sql::quote_identifier(check.column) + " IS NOT NULL)",
                     count, about.range));
      const auto distinct = static_cast<double>(found.distinct);
      if (check.statistic == Statistic::DistinctCount) return std::optional(distinct);
      return count == 0 ? std::nullopt : std::optional(distinct / values);
    }
    default:
      break;
  }
  if (count == 0) return std::optional<double>();
  Numbers numbers(session_, batch_, answers_, [this](auto pass) { begin_pass(pass); });
  if (check.statistic == Statistic::Median)
    return std::optional(TRY(numbers.median(about.number, count)));
  if (check.statistic == Statistic::StandardDeviation) return numbers.deviation(about);
  const double total = TRY(numbers.sum(*about.sum, about.number));
  return std::optional(check.statistic == Statistic::Sum ? total : total / values);
}

Result<Verdict> Validation::answer(const Expectation& expectation, const DistinctQuestion& about) {
  const auto& check = std::get<DistinctValues>(expectation.check);
  const Json found = at(about.found).is_null() ? Json::array() : at(about.found);
  const bool all_inside = count_at(about.outside) == 0;
  const bool all_there = about.complete && static_cast<std::int64_t>(found.as_array().size()) ==
                                               count_at(about.wanted);
  Verdict verdict = verdict_on(expectation);
  using Relation = DistinctValues::Relation;
  verdict.success = (check.relation == Relation::Contains || all_inside) &&
                    (check.relation == Relation::Within || all_there);
  verdict.observed = all_inside ? found : TRY(distinct_values(check.column));
  return verdict;
}

/// The column's values, the first of them: the scan has seen others than those of the set.
Result<Json> Validation::distinct_values(const std::string& column) {
  begin_pass("listing distinct values of " + column);
  Json values = Json::array();
  for (const auto& batch : TRY(session_.collect(
           fmt::format("SELECT DISTINCT {0} FROM {1} WHERE {0} IS NOT NULL ORDER BY {0} LIMIT {2}",
                       sql::quote_identifier(column), batch_, kMostDistinctShown))))
    for (std::size_t i = 0; i < batch.row_count(); ++i) values.push(batch.column(0).to_json(i));
  return values;
}

// Samples ----------------------------------------------------------------------------------------

std::optional<SampleRequest> Validation::sample_request(std::size_t i,
                                                        const Verdict& verdict) const {
  if (!verdict.rows || verdict.rows->unexpected == 0 || options_.samples == 0) return std::nullopt;
  if (verdict.success && options_.samples_of == SamplesOf::Failed) return std::nullopt;
  const std::size_t wanted = std::min(
      {options_.samples, kMostSamples, static_cast<std::size_t>(verdict.rows->unexpected)});
  if (const auto* rows = std::get_if<RowsQuestion>(&questions_[i].about))
    return SampleRequest{rows->condition, rows->columns, rows->shape, wanted};
  const auto& unique = std::get<UniqueQuestion>(questions_[i].about);
  std::string list;
  for (const std::string& column : unique.columns)
    list += (list.empty() ? "" : ", ") + sql::quote_identifier(column);
  const std::string key = unique.columns.size() == 1 ? list : "ROW(" + list + ")";
  return SampleRequest{
      fmt::format("{0} AND {1} IN (SELECT {1} FROM {2} WHERE {0} GROUP BY {3} HAVING count(*) > 1)",
                  unique.kept, key, batch_, list),
      unique.columns, unique.shape, wanted};
}

Status Validation::take_samples(std::vector<Verdict>& verdicts) {
  std::vector<SampleRequest> together;
  std::vector<std::size_t> owners;
  const auto take = [&](const std::vector<SampleRequest>& requests,
                        const std::vector<std::size_t>& of) -> Status {
    begin_pass("fetching samples");
    auto samples = TRY_DOING(
        "fetching samples of unexpected values",
        fetch_samples(session_, batch_, requests, options_.order_by, options_.index_columns));
    for (std::size_t i = 0; i < of.size(); ++i) verdicts[of[i]].samples = std::move(samples[i]);
    return {};
  };
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    auto request = sample_request(i, verdicts[i]);
    if (!request) continue;
    if (std::holds_alternative<UniqueQuestion>(questions_[i].about)) {
      TRY(take({*request}, {i}));
      continue;
    }
    together.push_back(*std::move(request));
    owners.push_back(i);
  }
  return together.empty() ? Status() : take(together, owners);
}

}  // namespace

Result<SuiteVerdict> validate(engine::Session& session, const Batch& batch, const Suite& suite,
                              const ValidateOptions& options) {
  if (batch.relation.empty() == batch.select.empty())
    return Error(ErrorCode::Invalid, "validating: give either a relation or a SELECT");
  std::string from;
  if (batch.relation.empty())
    from = fmt::format("({}\n) AS batch",
                       TRY_DOING("validating", sql::single_statement(batch.select)));
  else
    from = TRY_DOING("validating", sql::parse_table_name(batch.relation)).quoted();
  return Validation(session, from, suite, options).run();
}

std::vector<Misfit> misfits(const Suite& suite, const columnar::Schema& columns) {
  std::vector<Misfit> found;
  FusedScan scan;
  for (std::size_t i = 0; i < suite.expectations.size(); ++i) {
    const Expectation& expectation = suite.expectations[i];
    const auto question = compile(expectation, columns, scan);
    if (question.ok()) continue;
    const std::string which = fmt::format("expectation {} ({})", i + 1, expectation.type);
    found.push_back({Error(question.error()).while_doing(which), expectation.severity});
  }
  return found;
}

}  // namespace millrace::quality
