#pragma once

// A session with a table, and suites of expectations asked of it.

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "quality/validate.h"

namespace millrace::quality {

class Validate : public ::testing::Test {
 protected:
  void SetUp() override {
    auto engine = engine::open_duckdb({});
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    engine_ = *std::move(engine);
    auto session = engine_->open_session();
    ASSERT_TRUE(session.ok()) << session.error().message();
    session_ = *std::move(session);
  }

  void run(const std::string& sql) {
    const auto done = session_->execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().message();
  }

  /// Thirty rows: ages 10, 20, 30, null, -5 six times.
  void make_people() {
    run("CREATE TABLE people AS SELECT i + 1 AS id, [10, 20, 30, NULL, -5][i % 5 + 1]::DOUBLE AS "
        "age, chr(97 + (i % 7)::INTEGER) AS letter, DATE '2024-01-01' + (i % 10)::INTEGER AS day "
        "FROM "
        "range(30) AS t(i)");
  }

  SuiteVerdict verdicts(const std::string& expectations, const ValidateOptions& options = {},
                        const std::string& relation = "people") {
    const auto json = Json::parse(R"({"name": "s", "expectations": [)" + expectations + "]}");
    EXPECT_TRUE(json.ok()) << expectations;
    const auto suite = read_suite(*json);
    EXPECT_TRUE(suite.ok()) << suite.error().message();
    auto verdict = validate(*session_, {relation, ""}, *suite, options);
    EXPECT_TRUE(verdict.ok()) << verdict.error().message();
    return *std::move(verdict);
  }
  Verdict one(const std::string& members, const ValidateOptions& options = {},
              const std::string& relation = "people") {
    return verdicts("{" + members + "}", options, relation).results.front();
  }

  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Session> session_;
};

}  // namespace millrace::quality
