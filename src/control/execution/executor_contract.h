#pragma once

// What every orchestration::Executor owes its listener. An implementation joins with one
// INSTANTIATE_TEST_SUITE_P line in its own test file.

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "orchestration/executor.h"

namespace millrace::execution {

struct ExecutorUnderTest {
  std::string name;
  std::function<std::unique_ptr<orchestration::Executor>()> make;
  /// An attempt that succeeds with {"rows": 7}, one that fails with DataQuality, and, where
  /// attempts take time, one that runs until it is killed.
  std::function<orchestration::Preparation()> succeeds;
  std::function<orchestration::Preparation()> fails;
  std::function<orchestration::Preparation()> runs_until_killed;

  friend std::ostream& operator<<(std::ostream& out, const ExecutorUnderTest& executor) {
    return out << executor.name;
  }
};

class ExecutorContract : public testing::TestWithParam<ExecutorUnderTest> {};
/// For those whose attempts take time.
class KillContract : public ExecutorContract {};

inline std::string name_of(const testing::TestParamInfo<ExecutorUnderTest>& info) {
  return info.param.name;
}

}  // namespace millrace::execution
