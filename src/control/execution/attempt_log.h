#pragma once

// The log of one attempt: what it wrote to its outputs and what it and its supervisor had to say.
// Text, one line for each line, with the time at which it was read and where it came from:
//
//   millrace-attempt-log 1 weekly/2013-12-01T05:00:00Z/train/3
//   2013-12-01T05:00:01.25Z out      epoch 1 of 10
//   2013-12-01T05:00:01.3Z warning   12 rows have no label
//
// Times are put on by the reader, not by the attempt: whatever a program writes has them.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/result.h"
#include "orchestration/ids.h"

namespace millrace::execution {

/// "<folder>/<dag>/<run>/<task>/<generation>.<number>.log"; of a mapped task with its index before
/// the last part
std::string attempt_log_path(const std::string& folder, const orchestration::AttemptId& attempt,
                             int generation, int number);

class AttemptLog {
 public:
  /// Makes the file and the folders above it. Errors: Denied, Exhausted, Unavailable.
  static Result<AttemptLog> create(const std::string& path, const orchestration::AttemptId& attempt,
                                   std::uint64_t limit_bytes, const Clock& clock);
  ~AttemptLog();
  AttemptLog(AttemptLog&& other) noexcept = default;
  AttemptLog& operator=(AttemptLog&&) = delete;

  /// Bytes of a stream, which need not end at a line's end: the rest waits for more.
  void stream(std::string_view source, std::string_view bytes);
  /// A message; each of its lines becomes one.
  void say(std::string_view level, std::string_view text);
  /// Writes what waits.
  void flush();
  /// What stands last, also in a log that has reached its limit: how the attempt ended.
  void last_word(std::string_view level, std::string_view text);
  /// The last line that the stream wrote, at most 300 bytes of it.
  const std::string& last_line(const std::string& source) { return last_lines_[source]; }

 private:
  AttemptLog(FileDescriptor file, std::uint64_t limit_bytes, const Clock& clock)
      : file_(std::move(file)), limit_(limit_bytes), clock_(&clock) {}
  void add_line(std::string& out, std::string_view source, std::string_view line);
  void write(std::string_view bytes);

  FileDescriptor file_;
  std::uint64_t limit_;
  std::uint64_t written_ = 0;
  bool full_ = false;
  const Clock* clock_;
  std::map<std::string, std::string> waiting_;  // unfinished lines by stream
  std::map<std::string, std::string> last_lines_;
};

}  // namespace millrace::execution
