#pragma once

// What tests ask of a Result and of a text.

#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "base/result.h"

/// The part stands somewhere in the text.
#define EXPECT_HAS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << "found: " << (text)
#define EXPECT_OK(result) EXPECT_EQ(::millrace::said(result), "ok")

namespace millrace {

/// "conflict: ...", or "ok".
template <typename T>
std::string said(const Result<T>& result) {
  if (result.ok()) return "ok";
  return std::string(to_string(result.error().code())) + ": " + result.error().message();
}

/// The value of a Result that must be there.
template <typename T>
T good(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << said(result);
    throw std::runtime_error("no value");  // ends this test alone
  }
  return *std::move(result);
}
inline void good(const Status& status) {
  EXPECT_OK(status);
}

}  // namespace millrace
