#include "quality/suite.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/suggest.h"
#include "quality/vocabulary.h"

namespace millrace::quality {
namespace {

constexpr std::size_t kMostExpectations = 10'000;

/// The members of an expectation beside its arguments.
constexpr std::array kOwnMembers = {"type",  "expectation_type", "kwargs",  "meta", "id",
                                    "notes", "description",      "severity"};
/// Arguments that say how Great Expectations runs or shows, never what is expected.
constexpr std::array kPassedOver = {"result_format", "catch_exceptions", "include_config",
                                    "batch_id", "rendered_content"};

template <typename List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

/// {"$PARAMETER": "lo"} becomes the parameter's value.
Result<Json> filled_in(const Json& value, const Parameters& parameters) {
  const Json* name = value.find("$PARAMETER");
  if (name == nullptr) return value;
  if (!name->is_string())
    return Error(ErrorCode::Invalid, "$PARAMETER: expected the name of a parameter");
  const auto found = parameters.find(name->as_string());
  if (found != parameters.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [word, unused] : parameters) known.push_back(word);
  return Error(ErrorCode::Invalid,
               fmt::format("$PARAMETER: no parameter '{}' was given; expressions such as "
                           "'now() - timedelta(days=1)' are not computed, pass their value as a "
                           "parameter{}",
                           name->as_string(), suggestion(name->as_string(), known)));
}

Result<Severity> read_severity(const Json& entry) {
  const Json& value = entry["severity"];
  if (value.is_null()) return Severity::Critical;
  static const std::vector<std::string> words = {"info", "warning", "critical"};
  for (std::size_t i = 0; i < words.size(); ++i)
    if (value == Json(words[i])) return static_cast<Severity>(i);
  return Error(ErrorCode::Invalid,
               fmt::format("severity: expected info, warning or critical{}",
                           value.is_string() ? suggestion(value.as_string(), words) : ""));
}

Result<std::string> read_type(const Json& entry) {
  const Json* type = entry.find("type");
  if (type == nullptr) type = entry.find("expectation_type");
  if (type == nullptr || !type->is_string())
    return Error(ErrorCode::Invalid,
                 "'type' is missing; it holds the expectation's name, such as "
                 "expect_column_values_to_not_be_null");
  if (type->as_string() == "expect_column_values_to_be_not_null")
    return std::string("expect_column_values_to_not_be_null");
  return type->as_string();
}

Result<const Word*> find_word(const std::string& type) {
  for (const Word& word : vocabulary())
    if (word.name == type) return &word;
  if (holds(foreign_words(), type))
    return Error(
        ErrorCode::Unsupported,
        "this expectation of Great Expectations is not here yet; write it as a column of a "
        "SQL model and expect that column's values");
  return Error(ErrorCode::Invalid,
               "there is no such expectation" + suggestion(type, known_expectations()));
}

/// The arguments, from `kwargs` and from beside `type`, with parameters filled in and what does not
/// concern us left out.
Result<Json> read_kwargs(const Json& entry, const Parameters& parameters) {
  Json kwargs = Json::object();
  const auto add = [&](const std::string& name, const Json& value) -> Status {
    if (holds(kPassedOver, name)) return {};
    if (name == "row_condition" || name == "condition_parser" || name == "windows") {
      if (value.is_null()) return {};
      return Error(ErrorCode::Unsupported,
                   fmt::format("'{}' is not supported; put the condition into a SQL model and "
                               "validate that model",
                               name));
    }
    if (kwargs.contains(name))
      return Error(ErrorCode::Invalid, fmt::format("the argument '{}' stands there twice", name));
    kwargs.set(name, TRY(filled_in(value, parameters)));
    return {};
  };
  const Json& inner = entry["kwargs"];
  if (!inner.is_null() && !inner.is_object())
    return Error(ErrorCode::Invalid, "kwargs: expected an object");
  if (inner.is_object())
    for (const auto& [name, value] : inner.as_object()) TRY(add(name, value));
  for (const auto& [name, value] : entry.as_object())
    if (!holds(kOwnMembers, name)) TRY(add(name, value));
  return kwargs;
}

Result<Expectation> read_expectation(const Json& entry, const Parameters& parameters) {
  Expectation expectation;
  expectation.type = TRY(read_type(entry));
  const Word* word = TRY(find_word(expectation.type));
  expectation.kwargs = TRY(read_kwargs(entry, parameters));
  expectation.severity = TRY(read_severity(entry));
  TRY(check_arguments(word->arguments, word->takes_mostly, expectation.kwargs));
  expectation.mostly = expectation.kwargs.number_or("mostly", 1);
  expectation.check = word->make(Arguments(expectation.kwargs));
  expectation.meta = entry["meta"].is_object() ? entry["meta"] : Json::object();
  expectation.id = entry.string_or("id", "");
  if (entry["notes"].is_string()) expectation.notes = entry["notes"].as_string();
  return expectation;
}

}  // namespace

Suite::Suite() = default;
Suite::Suite(const Suite&) = default;
Suite::Suite(Suite&&) noexcept = default;
Suite& Suite::operator=(const Suite&) = default;
Suite& Suite::operator=(Suite&&) noexcept = default;
Suite::~Suite() = default;

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::Info:
      return "info";
    case Severity::Warning:
      return "warning";
    case Severity::Critical:
      break;
  }
  return "critical";
}

Result<Suite> read_suite(const Json& document, const Parameters& parameters) {
  if (!document.is_object())
    return Error(ErrorCode::Invalid,
                 fmt::format("a suite is an object with 'name' and 'expectations'; found {}",
                             document.type_name()));
  static const std::vector<std::string> members = {"name",
                                                   "expectation_suite_name",
                                                   "expectations",
                                                   "meta",
                                                   "id",
                                                   "notes",
                                                   "data_asset_type",
                                                   "ge_cloud_id",
                                                   "suite_parameters"};
  for (const auto& [name, value] : document.as_object())
    if (!holds(members, name))
      return Error(ErrorCode::Invalid, fmt::format("unknown member '{}' of the suite{}", name,
                                                   suggestion(name, {members.data(), 3})));
  Suite suite;
  suite.name = document.string_or("name", document.string_or("expectation_suite_name", ""));
  suite.meta = document["meta"].is_object() ? document["meta"] : Json::object();
  const Json& entries = document["expectations"];
  if (!entries.is_array())
    return Error(ErrorCode::Invalid, "'expectations' is missing; it holds a list of expectations");
  if (entries.as_array().size() > kMostExpectations)
    return Error(ErrorCode::Invalid,
                 fmt::format("{} expectations; a suite holds at most {}, split it",
                             entries.as_array().size(), kMostExpectations));
  for (std::size_t i = 0; i < entries.as_array().size(); ++i) {
    const Json& entry = entries.as_array()[i];
    if (!entry.is_object())
      return Error(ErrorCode::Invalid, fmt::format("expectation {}: expected an object; found {}",
                                                   i + 1, entry.type_name()));
    const std::string place =
        fmt::format("expectation {} ({})", i + 1,
                    entry.string_or("type", entry.string_or("expectation_type", "without a type")));
    suite.expectations.push_back(TRY_DOING(place, read_expectation(entry, parameters)));
  }
  return suite;
}

Json to_json(const Expectation& expectation) {
  Json json =
      Json::object({{"type", expectation.type},
                    {"kwargs", expectation.kwargs},
                    {"meta", expectation.meta.is_null() ? Json::object() : expectation.meta},
                    {"severity", to_string(expectation.severity)}});
  if (!expectation.id.empty()) json.set("id", expectation.id);
  if (!expectation.notes.empty()) json.set("notes", expectation.notes);
  return json;
}

Json to_json(const Suite& suite) {
  Json expectations = Json::array();
  for (const Expectation& expectation : suite.expectations) expectations.push(to_json(expectation));
  return Json::object({{"name", suite.name},
                       {"expectations", std::move(expectations)},
                       {"meta", suite.meta.is_null() ? Json::object() : suite.meta}});
}

std::vector<std::string> known_expectations() {
  std::vector<std::string> names;
  for (const Word& word : vocabulary()) names.emplace_back(word.name);
  return names;
}

}  // namespace millrace::quality
