#include "base/result.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error(ErrorCode::Invalid, "odd: " + std::to_string(n));
  return n / 2;
}

Result<int> quarter(int n) {
  return TRY(half(TRY(half(n))));
}

Result<std::unique_ptr<int>> boxed_half(int n) {
  return std::make_unique<int>(TRY(half(n)));
}

Status all_even(const std::vector<int>& numbers) {
  for (int n : numbers) TRY_DOING("checking", half(n));
  return {};
}

TEST(Result, TryUnwrapsNestedAndMoveOnlyValues) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(**boxed_half(6), 3);
  EXPECT_FALSE(quarter(6).ok());
}

TEST(Result, ErrorCarriesCodeContextAndPlace) {
  const Status status = all_even({2, 3});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message(), "checking: odd: 3");
  EXPECT_EQ(status.error().code(), ErrorCode::Invalid);
  EXPECT_NE(std::string_view(status.error().where().file_name()).find("result_test"),
            std::string_view::npos);
}

TEST(Result, EveryCodeHasANameThatReadsBack) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::Internal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    EXPECT_EQ(error_code_from(to_string(code)), code);
  }
  EXPECT_EQ(error_code_from("no_such_code"), std::nullopt);
}

TEST(Result, WhatAnotherTryMayMendIsRetried) {
  const std::vector<std::pair<ErrorCode, bool>> cases = {
      {ErrorCode::Conflict, true},    {ErrorCode::Timeout, true},  {ErrorCode::Unavailable, true},
      {ErrorCode::Exhausted, true},   {ErrorCode::Invalid, false}, {ErrorCode::DataQuality, false},
      {ErrorCode::Corruption, false}, {ErrorCode::Denied, false},  {ErrorCode::Cancelled, false}};
  for (const auto& [code, retried] : cases) {
    SCOPED_TRACE(to_string(code));
    EXPECT_EQ(is_retryable(code), retried);
  }
}

TEST(ResultDeathTest, BrokenInvariantNamesItself) {
  EXPECT_DEATH(INVARIANT(1 + 1 == 3, "arithmetic"), "1 \\+ 1 == 3 \\(arithmetic\\)");
}

TEST(ResultDeathTest, TakingWhatIsNotThereEndsTheProcess) {
  EXPECT_DEATH(*half(3), "value of a failed Result was taken: odd: 3");
  EXPECT_DEATH(static_cast<void>(half(4).error()), "error of a Result that did not fail");
  EXPECT_DEATH(*all_even({3}), "value of a failed Result was taken: checking: odd: 3");
  EXPECT_DEATH(static_cast<void>(all_even({2}).error()), "error of a Result that did not fail");
  const Status fine;
  EXPECT_DEATH(static_cast<void>(fine.error()), "error of a Result that did not fail");
}

TEST(Result, AMovedResultTakesTheOthersPlace) {
  Result<std::unique_ptr<int>> result = boxed_half(6);
  result = boxed_half(3);
  ASSERT_FALSE(result.ok());
  Result<std::unique_ptr<int>> other = boxed_half(10);
  other = std::move(result);
  EXPECT_EQ(other.error().message(), "odd: 3");
  other = boxed_half(2);
  EXPECT_EQ(**other, 1);
}

}  // namespace
}  // namespace millrace
