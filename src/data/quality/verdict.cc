#include "quality/verdict.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/utf8.h"

namespace millrace::quality {
namespace {

constexpr std::size_t kPartial = 20;   // Great Expectations' partial_unexpected_count
constexpr std::size_t kDescribed = 5;  // values in a line for people
constexpr std::size_t kLongest = 60;   // characters of such a value

Json percent(std::int64_t part, std::int64_t whole) {
  if (whole == 0) return nullptr;
  return static_cast<double>(part) / static_cast<double>(whole) * 100;
}

Json values_of(const std::vector<Sample>& samples, std::size_t most) {
  Json list = Json::array();
  for (std::size_t i = 0; i < std::min(samples.size(), most); ++i) list.push(samples[i].value);
  return list;
}

Json indices_of(const std::vector<Sample>& samples, std::size_t most) {
  Json list = Json::array();
  for (std::size_t i = 0; i < std::min(samples.size(), most); ++i) list.push(samples[i].index);
  return list;
}

/// The sampled values by how often they stand in the sample, most frequent first.
Json counts_of(const std::vector<Sample>& samples) {
  std::vector<std::pair<Json, std::int64_t>> counts;
  for (std::size_t i = 0; i < std::min(samples.size(), kPartial); ++i) {
    const auto same = [&](const auto& entry) { return entry.first == samples[i].value; };
    const auto found = std::find_if(counts.begin(), counts.end(), same);
    if (found == counts.end())
      counts.emplace_back(samples[i].value, 1);
    else
      ++found->second;
  }
  std::stable_sort(counts.begin(), counts.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  Json list = Json::array();
  for (auto& [value, count] : counts)
    list.push(Json::object({{"value", std::move(value)}, {"count", count}}));
  return list;
}

void add_rows(Json& result, const Verdict& verdict, ResultFormat format) {
  const RowCounts& rows = *verdict.rows;
  const bool indexed = !verdict.samples.empty() && !verdict.samples.front().index.is_null();
  result.set("element_count", rows.elements);
  result.set("unexpected_count", rows.unexpected);
  result.set("unexpected_percent", percent(rows.unexpected, rows.considered()));
  result.set("partial_unexpected_list", values_of(verdict.samples, kPartial));
  if (rows.reports_missing) {
    result.set("missing_count", rows.missing);
    result.set("missing_percent", percent(rows.missing, rows.elements));
    result.set("unexpected_percent_total", percent(rows.unexpected, rows.elements));
    result.set("unexpected_percent_nonmissing", percent(rows.unexpected, rows.considered()));
  }
  if (format == ResultFormat::Basic) return;
  result.set("partial_unexpected_counts", counts_of(verdict.samples));
  if (indexed) result.set("partial_unexpected_index_list", indices_of(verdict.samples, kPartial));
  if (format == ResultFormat::Summary) return;
  const bool all = static_cast<std::int64_t>(verdict.samples.size()) == rows.unexpected;
  if (!all) return;
  result.set("unexpected_list", values_of(verdict.samples, verdict.samples.size()));
  if (indexed)
    result.set("unexpected_index_list", indices_of(verdict.samples, verdict.samples.size()));
}

Json result_of(const Verdict& verdict, ResultFormat format) {
  Json result = Json::object();
  if (format == ResultFormat::BooleanOnly || !verdict.exception.empty()) return result;
  if (verdict.rows) add_rows(result, verdict, format);
  if (verdict.observed) result.set("observed_value", *verdict.observed);
  if (!verdict.details.is_null()) result.set("details", verdict.details);
  return result;
}

std::string shortened(const Json& value) {
  std::string text = value.is_string() ? value.as_string() : value.dump();
  if (text.size() <= kLongest) return text;
  return std::string(cut_utf8(text, kLongest - 3)) + "...";
}

struct Subject {
  std::string columns;    // "dep_delay"
  std::string arguments;  // "min_value -60, mostly 0.99"
};

Subject read_subject(const Json& kwargs) {
  Subject subject;
  for (const auto& [name, value] : kwargs.as_object()) {
    const bool is_column = name.starts_with("column") && !value.is_object();
    std::string& part = is_column ? subject.columns : subject.arguments;
    if (!part.empty()) part += ", ";
    part += is_column ? shortened(value) : fmt::format("{} {}", name, shortened(value));
  }
  return subject;
}

bool refuses_nulls(const Verdict& verdict) {
  const auto* values = std::get_if<ColumnValues>(&verdict.expectation.check);
  return values != nullptr && std::holds_alternative<NotNull>(values->rule);
}

std::string describe_rows(const Verdict& verdict) {
  const RowCounts& rows = *verdict.rows;
  const bool nulls = refuses_nulls(verdict);
  std::string text = fmt::format("{} of {} values are {}", rows.unexpected, rows.considered(),
                                 nulls ? "null" : "unexpected");
  if (const auto part = rows.unexpected_percent()) text += fmt::format(" ({:.2f} %)", *part);
  if (nulls) return text;
  for (std::size_t i = 0; i < std::min(verdict.samples.size(), kDescribed); ++i)
    text += (i == 0 ? ": " : ", ") + shortened(verdict.samples[i].value);
  if (rows.unexpected > static_cast<std::int64_t>(kDescribed) && !verdict.samples.empty())
    text += ", ...";
  return text;
}

}  // namespace

std::optional<double> RowCounts::unexpected_percent() const {
  if (considered() == 0) return std::nullopt;
  return static_cast<double>(unexpected) / static_cast<double>(considered()) * 100;
}

std::size_t SuiteVerdict::successful() const {
  return static_cast<std::size_t>(
      std::count_if(results.begin(), results.end(), [](const Verdict& v) { return v.success; }));
}

std::optional<Severity> SuiteVerdict::worst_failure() const {
  std::optional<Severity> worst;
  for (const Verdict& verdict : results)
    if (!verdict.success && (!worst || verdict.expectation.severity > *worst))
      worst = verdict.expectation.severity;
  return worst;
}

Json to_json(const Verdict& verdict, ResultFormat format) {
  const bool raised = !verdict.exception.empty();
  return Json::object(
      {{"success", verdict.success},
       {"expectation_config", to_json(verdict.expectation)},
       {"result", result_of(verdict, format)},
       {"meta", Json::object()},
       {"exception_info",
        Json::object({{"raised_exception", raised},
                      {"exception_traceback", nullptr},
                      {"exception_message", raised ? Json(verdict.exception) : Json()}})}});
}

Json to_json(const SuiteVerdict& verdict, ResultFormat format) {
  Json results = Json::array();
  for (const Verdict& one : verdict.results) results.push(to_json(one, format));
  const auto evaluated = static_cast<std::int64_t>(verdict.results.size());
  const auto successful = static_cast<std::int64_t>(verdict.successful());
  return Json::object(
      {{"success", verdict.success},
       {"results", std::move(results)},
       {"suite_name", verdict.suite_name},
       {"suite_parameters", Json::object()},
       {"statistics", Json::object({{"evaluated_expectations", evaluated},
                                    {"successful_expectations", successful},
                                    {"unsuccessful_expectations", evaluated - successful},
                                    {"success_percent", percent(successful, evaluated)}})},
       {"meta", verdict.meta.is_null() ? Json::object() : verdict.meta}});
}

std::string describe(const Verdict& verdict) {
  const auto [columns, arguments] = read_subject(verdict.expectation.kwargs);
  std::string text = verdict.expectation.type;
  if (!columns.empty()) text += " of " + columns;
  if (!arguments.empty()) text += " (" + arguments + ")";
  return text + ": " + finding_of(verdict);
}

std::string subject_of(const Verdict& verdict) {
  const auto [columns, arguments] = read_subject(verdict.expectation.kwargs);
  if (arguments.empty()) return columns;
  return fmt::format("{}{}({})", columns, columns.empty() ? "" : " ", arguments);
}

std::string finding_of(const Verdict& verdict) {
  if (!verdict.exception.empty()) return "could not be evaluated: " + verdict.exception;
  if (verdict.rows) return describe_rows(verdict);
  if (verdict.observed) return "observed " + shortened(*verdict.observed);
  return verdict.success ? "met" : "not met";
}

}  // namespace millrace::quality
