#pragma once

// What code throws, as a result: for the outermost function of a thread, behind which nobody stands,
// and where an error of ours that concerns one must not end the others.

#include <exception>
#include <new>
#include <string>
#include <type_traits>

#include "base/result.h"

namespace millrace {

/// What `work` returns, a Status or a Result, or nothing; `error_of(what)` for what it throws.
template <typename Work, typename ErrorOf>
auto caught(Work&& work, ErrorOf&& error_of) {
  using Returned = std::invoke_result_t<Work&>;
  using Outcome = std::conditional_t<std::is_void_v<Returned>, Status, Returned>;
  try {
    if constexpr (std::is_void_v<Returned>) {
      work();
      return Outcome();
    } else {
      return Outcome(work());
    }
  } catch (const std::bad_alloc&) {
    return Outcome(error_of(std::string("no memory")));  // short enough to need none
  } catch (const std::exception& error) {
    return Outcome(error_of(std::string(error.what())));
  } catch (...) {
    return Outcome(error_of(std::string("an exception without words")));
  }
}

/// The same; Internal for what it throws.
template <typename Work>
auto caught(Work&& work) {
  return caught(work, [](const std::string& what) { return Error(ErrorCode::Internal, what); });
}

}  // namespace millrace
