// Great Expectations' own test definitions (tests/test_definitions of its repository), run against
// ours. They lie in $MILLRACE_ACCEPTANCE/great_expectations (CONTRIBUTING.md). Skipped where the
// variable is not set, and a failure where the folder that it names has none.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "quality/validate.h"
#include "sql/names.h"

namespace millrace::quality {
namespace {

/// Cases that we answer otherwise, each with its reason.
struct Excuse {
  const char* expectation;
  const char* title;  // of the case, or its beginning
  const char* why;
};

constexpr Excuse kExcuses[] = {
    {"expect_column_values_to_be_between", "basic_",
     "the suite holds an expression in Python, now() or datetime(..): a suite that means something "
     "else tomorrow is not computed, its value is passed as a parameter"},
    {"expect_column_values_to_be_in_type_list", "negative_test_string_and_int_values",
     "a type is the column's, as in every SQL engine: single values of pandas' object columns have "
     "no "
     "type of their own, so none is listed"},
    {"expect_column_values_to_be_of_type", "dtype_object_and_type_object",
     "object is pandas' word for a column of anything; no column here is that"},
    {"expect_column_values_to_be_of_type", "positive_pandas_datetime_no_timezone",
     "the observed type has SQL's name"},
    {"expect_column_values_to_be_of_type", "negative_pandas_datetime_with_timezone",
     "the case has no schema for a SQL engine, so its column has no zone here"},
};

/// Empty when MILLRACE_ACCEPTANCE is not set.
std::string folder() {
  const char* named = std::getenv("MILLRACE_ACCEPTANCE");
  return named == nullptr ? "" : std::string(named) + "/great_expectations";
}

/// Words of a member that is a text or a list of texts or of objects with a backend.
std::set<std::string> words(const Json& member) {
  std::set<std::string> found;
  if (member.is_string()) found.insert(member.as_string());
  if (member.is_array())
    for (const Json& item : member.as_array())
      found.insert(item.is_string()
                       ? item.as_string()
                       : item.string_or("backend", item.string_or("dialect", item.dump())));
  return found;
}

/// Cases of their backend "postgresql", and those for pandas alone.
bool concerns_us(const Json& test) {
  const auto only = words(test["only_for"]);
  const auto not_for = words(test["suppress_test_for"]);
  const auto names = [](const std::set<std::string>& set) {
    return set.contains("postgresql") || set.contains("sqlalchemy") || set.contains("pandas");
  };
  return (only.empty() || names(only)) && !names(not_for);
}

std::string sql_type(const std::string& theirs, const Json& values) {
  static const std::map<std::string, std::string> types_of_theirs = {
      {"INTEGER", "INTEGER"}, {"SMALLINT", "SMALLINT"},       {"BIGINT", "BIGINT"},
      {"TEXT", "VARCHAR"},    {"VARCHAR", "VARCHAR"},         {"CHAR", "VARCHAR"},
      {"BOOLEAN", "BOOLEAN"}, {"DOUBLE_PRECISION", "DOUBLE"}, {"FLOAT", "DOUBLE"},
      {"NUMERIC", "DOUBLE"},  {"TIMESTAMP", "TIMESTAMP"},     {"DATE", "DATE"},
  };
  if (const auto known = types_of_theirs.find(theirs); known != types_of_theirs.end())
    return known->second;
  bool whole = true;
  bool number = true;
  bool flag = true;
  for (const Json& value : values.as_array()) {
    if (value.is_null()) continue;
    whole = whole && value.is_integer();
    number = number && value.is_number();
    flag = flag && value.is_bool();
  }
  return flag ? "BOOLEAN" : whole ? "BIGINT" : number ? "DOUBLE" : "VARCHAR";
}

std::string sql_value(const Json& value) {
  if (value.is_null()) return "NULL";
  return sql::quote_literal(value.is_string() ? value.as_string() : value.dump());
}

/// Whole numbers as integers, everywhere inside.
Json normal(const Json& value) {
  if (value.is_number() && !value.is_integer() &&
      std::trunc(value.as_double()) == value.as_double())
    return static_cast<std::int64_t>(value.as_double());
  if (value.is_array()) {
    Json list = Json::array();
    for (const Json& item : value.as_array()) list.push(normal(item));
    return list;
  }
  if (value.is_object()) {
    Json object = Json::object();
    for (const auto& [name, member] : value.as_object()) object.set(name, normal(member));
    return object;
  }
  return value;
}

/// Equal without regard to the order of a list's elements and an object's members.
bool same_set(const Json& a, const Json& b) {
  const auto sorted = [](const Json& list) {
    std::vector<std::string> texts;
    if (list.is_array())
      for (const Json& item : list.as_array()) {
        const Json one = normal(item);
        texts.push_back(one.is_string() ? one.as_string() : one.dump_canonical());
      }
    std::sort(texts.begin(), texts.end());
    return texts;
  };
  return sorted(a) == sorted(b);
}

bool same_value(const Json& got, const Json& want, double tolerance) {
  if (want.is_number() && !want.is_integer())
    return got.is_number() && std::abs(got.as_double() - want.as_double()) <=
                                  tolerance + 1e-7 * std::abs(want.as_double());
  return normal(got).dump_canonical() == normal(want).dump_canonical();
}

/// What of `out` our result does not have, or "".
std::string difference(const Json& test, const Json& got) {
  const Json& out = test.contains("out") ? test["out"] : test["output"];
  const Json& result = got["result"];
  const double tolerance = test.number_or("tolerance", 5e-2);
  for (const auto& [name, want] : out.as_object()) {
    if (name == "success") {
      if (got["success"] != want) return "success is " + got["success"].dump();
    } else if (name == "observed_value") {
      if (!same_value(result["observed_value"], want, tolerance))
        return "observed " + result["observed_value"].dump() + ", wanted " + want.dump();
    } else if (name == "unexpected_list" || name == "partial_unexpected_list") {
      if (!same_set(result[name], want))
        return name + " " + result[name].dump() + ", wanted " + want.dump();
    } else if (name == "unexpected_index_list") {
      if (result.contains(name) && !same_set(result[name], want))
        return name + " " + result[name].dump() + ", wanted " + want.dump();
    } else if (name == "traceback_substring") {
      const std::string text = got["exception_info"].dump();
      if (text.find(want.as_string()) == std::string::npos) return "exception: " + text;
    } else if (name == "result") {
      for (const auto& [member, value] : want.as_object())
        if (!same_value(result[member], value, tolerance) &&
            !(value.is_array() && same_set(result[member], value)))
          return member + " " + result[member].dump() + ", wanted " + value.dump();
    }
  }
  return "";
}

class GreatExpectations : public ::testing::Test {
 protected:
  void SetUp() override {
    if (folder().empty())
      GTEST_SKIP() << "set MILLRACE_ACCEPTANCE to the folder that holds great_expectations";
    ASSERT_TRUE(std::filesystem::exists(folder()))
        << "MILLRACE_ACCEPTANCE names a folder without expectations: " << folder();
    auto engine = engine::open_duckdb({.threads = 2});
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    engine_ = *std::move(engine);
    session_ = *engine_->open_session();
  }

  /// The dataset as the relation "data"; expectations about values also get a column of row
  /// numbers.
  void load(const Json& dataset, bool numbered) {
    const Json& data = dataset["data"];
    const Json& types = dataset["schemas"]["postgresql"];
    std::string columns;
    std::string values;
    const std::size_t rows = data.as_object().front().second.as_array().size();
    for (const auto& [name, cells] : data.as_object())
      columns += fmt::format("{}{} {}", columns.empty() ? "" : ", ", sql::quote_identifier(name),
                             sql_type(types.string_or(name, ""), cells));
    if (numbered) columns += ", pk_index INTEGER";
    for (std::size_t row = 0; row < rows; ++row) {
      values += values.empty() ? "(" : ", (";
      for (const auto& [name, cells] : data.as_object())
        values += (values.back() == '(' ? "" : ", ") + sql_value(cells.as_array()[row]);
      values += numbered ? fmt::format(", {})", row) : ")";
    }
    auto made = session_->execute("CREATE OR REPLACE TABLE data (" + columns + ")");
    if (made.ok() && rows > 0) made = session_->execute("INSERT INTO data VALUES " + values);
    ASSERT_TRUE(made.ok()) << made.error().message();
  }

  Json run(const std::string& type, const Json& kwargs, bool numbered) {
    Json entry = Json::object({{"type", type}, {"kwargs", kwargs}});
    const auto suite =
        read_suite(Json::object({{"name", "s"}, {"expectations", Json(Json::Array{entry})}}));
    if (!suite.ok())
      return Json::object({{"success", false},
                           {"result", Json::object()},
                           {"exception_info", suite.error().message()}});
    ValidateOptions options;
    options.samples = 1000;
    options.samples_of = SamplesOf::All;
    if (numbered) options.order_by = options.index_columns = {"pk_index"};
    const auto verdict = validate(*session_, {"data", ""}, *suite, options);
    EXPECT_TRUE(verdict.ok()) << verdict.error().message();
    return to_json(verdict->results.front(), ResultFormat::Complete);
  }

  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Session> session_;
};

TEST_F(GreatExpectations, TheirDefinitionsHoldForOurs) {
  const std::vector<std::string> known = known_expectations();
  int run_cases = 0;
  int passed = 0;
  std::map<std::string, int> excused;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder())) {
    if (file.path().extension() != ".json") continue;
    const std::string text = *read_file(file.path());
    // Looked for in the text: a file about something else may hold NaN, which is no JSON.
    const auto found = std::find_if(known.begin(), known.end(), [&](const std::string& word) {
      return text.find("\"expectation_type\": \"" + word + "\"") != std::string::npos;
    });
    if (found == known.end()) continue;
    const std::string& type = *found;
    const auto document = Json::parse(text);
    ASSERT_TRUE(document.ok()) << file.path() << ": " << document.error().message();
    const bool numbered =
        file.path().parent_path().filename().string().find("map_expectations") != std::string::npos;
    for (const Json& dataset : (*document)["datasets"].as_array()) {
      const Json& tests = dataset["tests"];
      if (!concerns_us(dataset) || !dataset["data"].is_object() || !tests.is_array() ||
          tests.as_array().empty())
        continue;
      load(dataset, numbered);
      for (const Json& test : tests.as_array()) {
        const Json& kwargs = test.contains("in") ? test["in"] : test["input"];
        if (!concerns_us(test) || !kwargs.is_object()) continue;
        ++run_cases;
        const std::string title = test["title"].as_string();
        const std::string differs = difference(test, run(type, kwargs, numbered));
        if (differs.empty()) {
          ++passed;
          continue;
        }
        const auto* excuse =
            std::find_if(std::begin(kExcuses), std::end(kExcuses), [&](const Excuse& one) {
              return type == one.expectation && title.starts_with(one.title);
            });
        EXPECT_NE(excuse, std::end(kExcuses)) << type << ": " << title << ": " << differs;
        if (excuse != std::end(kExcuses)) ++excused[excuse->why];
      }
    }
  }
  fmt::print("Great Expectations' definitions: {} of {} cases pass ({:.1f} %)\n", passed, run_cases,
             100.0 * passed / run_cases);
  for (const auto& [why, count] : excused) fmt::print("  {} otherwise: {}\n", count, why);
  EXPECT_GE(run_cases, 80);
}

}  // namespace
}  // namespace millrace::quality
