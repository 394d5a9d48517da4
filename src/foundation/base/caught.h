#pragma once

// What code throws, as a result: for the outermost function of a thread, behind which nobody stands,
// and where an error of ours that concerns one must not end the others.

#include <exception>
#include <type_traits>

#include "base/result.h"

namespace millrace {

/// What `work` returns, a Status or nothing; Internal for what it throws.
template <typename Work>
Status caught(Work&& work) {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Work&>>) {
      work();
      return {};
    } else {
      return work();
    }
  } catch (const std::exception& error) {
    return Error(ErrorCode::Internal, error.what());
  } catch (...) {
    return Error(ErrorCode::Internal, "an exception without words");
  }
}

}  // namespace millrace
