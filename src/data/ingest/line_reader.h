#pragma once

// Text in memory that is read from its front, and its lines. Memory is bounded by the longest line
// that is allowed.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ingest/byte_stream.h"

namespace millrace::ingest {

/// What some programs write before the first character of a text; it is no part of it.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// A window on a stream: what was read and not yet used.
class TextWindow {
 public:
  /// After the window's text this many bytes can be read too (their content means nothing): what
  /// simdjson asks for.
  static constexpr std::size_t kPadding = 64;

  explicit TextWindow(ByteStream& bytes) : bytes_(bytes) {}

  std::string_view text() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t count) { begin_ += count; }
  /// Reads more behind the text, which moves. False at the end of the stream.
  Result<bool> more();
  /// Consumes up to and with the next "\n" (or all there is) and returns at most `keep` bytes of
  /// what it was, without the "\n". Memory stays bounded however long that line is.
  Result<std::string> skip_line(std::size_t keep);
  /// How many bytes were ever read.
  std::uint64_t total() const { return total_; }

 private:
  ByteStream& bytes_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t total_ = 0;
};

struct Line {
  std::int64_t number = 0;  // from 1
  /// Without "\n" or "\r\n", and without the byte order mark in the first line. Valid until the
  /// next call.
  std::string_view text;
  bool too_long = false;  // `text` is only its beginning
};

class LineReader {
 public:
  LineReader(ByteStream& bytes, std::size_t max_line_bytes)
      : window_(bytes), max_line_bytes_(max_line_bytes) {}

  /// The next line, or nothing at the end. An empty line is a line; the end of the text after the
  /// last "\n" is none. Of a line above max_line_bytes only the beginning is kept; reading goes on
  /// behind it. Errors: those of the stream.
  Result<std::optional<Line>> next();
  bool saw_bytes() const { return window_.total() > 0; }
  /// Lines that were handed out.
  std::int64_t lines() const { return number_; }

 private:
  Line finish(std::string_view text, std::size_t consumed);

  TextWindow window_;
  std::size_t max_line_bytes_;
  std::size_t pending_ = 0;  // to be consumed before the next line
  std::int64_t number_ = 0;
  std::string beginning_;  // of a line that is too long
};

}  // namespace millrace::ingest
