#include "execution/attempt_protocol.h"

#include <fmt/core.h>

namespace millrace::execution {

Status LineReader::feed(std::string_view bytes) {
  if (start_ > 0) {
    buffer_.erase(0, start_);
    seen_ -= start_;
    start_ = 0;
  }
  buffer_ += bytes;
  // Only the last line can be without an end, and it alone grows from call to call.
  const std::size_t newline = bytes.rfind('\n');
  unfinished_ =
      newline == std::string_view::npos ? unfinished_ + bytes.size() : bytes.size() - newline - 1;
  if (unfinished_ < longest_) return {};
  return Error(
      ErrorCode::Invalid,
      fmt::format("a line of more than {} bytes; larger things are passed by reference", longest_));
}

std::optional<std::string> LineReader::next() {
  const std::size_t end = buffer_.find('\n', seen_);
  if (end == std::string::npos) {
    seen_ = buffer_.size();
    return std::nullopt;
  }
  std::string line = buffer_.substr(start_, end - start_);
  start_ = seen_ = end + 1;
  return line;
}

Result<std::string> to_line(const Json& message) {
  std::string line = message.dump() + "\n";
  if (line.size() <= kLongestLine) return line;
  return Error(
      ErrorCode::Invalid,
      fmt::format("a message '{}' of {} bytes; the limit is {}, larger things are passed by "
                  "reference",
                  message.string_or("type", ""), line.size(), kLongestLine));
}

Result<Json> from_line(std::string_view line) {
  Json message = TRY(Json::parse(line));
  if (!message["type"].is_string())
    return Error(ErrorCode::Invalid, "a message is an object with a 'type'");
  return message;
}

}  // namespace millrace::execution
