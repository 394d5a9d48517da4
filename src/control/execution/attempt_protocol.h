#pragma once

// What an attempt and its supervisor say to each other: one JSON document a line, over a socket
// that the attempt inherits. docs/formats/attempt.md lists the messages.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace::execution {

inline constexpr std::int64_t kProtocolVersion = 1;
inline constexpr std::size_t kLongestLine = 1U << 20U;  // both ways, with its newline
inline constexpr int kAttemptFd = 3;
inline constexpr const char* kAttemptFdVariable = "MILLRACE_ATTEMPT_FD";
// Whose attempt a process belongs to, and which one: all that it starts inherits them.
inline constexpr const char* kAttemptOfVariable = "MILLRACE_ATTEMPT_OF";
inline constexpr const char* kAttemptVariable = "MILLRACE_ATTEMPT";

/// Cuts what arrives into lines, of bounded length.
class LineReader {
 public:
  explicit LineReader(std::size_t longest = kLongestLine) : longest_(longest) {}

  /// Errors: Invalid when a line is longer than the longest that is allowed; the rest of the stream
  /// has no meaning then.
  Status feed(std::string_view bytes);
  /// The next whole line without its newline.
  std::optional<std::string> next();
  /// What came after the last newline.
  std::string_view rest() const { return std::string_view(buffer_).substr(start_); }

 private:
  std::size_t longest_;
  std::string buffer_;
  std::size_t start_ = 0;       // of what has not been given out
  std::size_t seen_ = 0;        // up to here there is no newline
  std::size_t unfinished_ = 0;  // bytes behind the last newline
};

/// A message as a line. Errors: Invalid when it would be longer than kLongestLine.
Result<std::string> to_line(const Json& message);

/// A line as a message: an object with a "type". Errors: Invalid.
Result<Json> from_line(std::string_view line);

}  // namespace millrace::execution
