#pragma once

// The law of engine.h as tests, in SQL that every engine of ours knows. An implementation joins
// with one line in its own test file:
//   INSTANTIATE_TEST_SUITE_P(Duckdb, EngineContract, testing::Values(EngineUnderTest{...}));

#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/file.h"
#include "engine/engine.h"

namespace millrace::engine {

struct EngineUnderTest {
  std::string name;
  std::function<Result<std::unique_ptr<Engine>>(const Limits&)> open;

  friend std::ostream& operator<<(std::ostream& out, const EngineUnderTest& engine) {
    return out << engine.name;
  }
};

class EngineContract : public testing::TestWithParam<EngineUnderTest> {
 protected:
  void SetUp() override;

  /// The answer as text, "a|b;c|d", or the error as "invalid: ...".
  std::string ask(std::string_view sql, std::span<const Json> parameters = {});
  /// Runs `work` and cancels once, as soon as `begun` says so. Precondition: the work does not end
  /// before.
  void cancel_once(const std::function<bool()>& begun, const std::function<void()>& work);

  TemporaryFolder folder_ = *TemporaryFolder::make();
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

}  // namespace millrace::engine
