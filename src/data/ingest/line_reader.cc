#include "ingest/line_reader.h"

#include <algorithm>
#include <cstring>

#include "ingest/source.h"

namespace millrace::ingest {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;

}  // namespace

Result<bool> TextWindow::more() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + kReadBytes + kPadding) buffer_.resize(end_ + kReadBytes + kPadding);
  const std::size_t got = TRY(bytes_.read({buffer_.data() + end_, kReadBytes}));
  end_ += got;
  total_ += got;
  return got > 0;
}

Result<std::string> TextWindow::skip_line(std::size_t keep) {
  std::string beginning;
  while (true) {
    const std::size_t end = text().find('\n');
    beginning += text().substr(0, std::min(end, keep - beginning.size()));
    if (end != std::string_view::npos) {
      consume(end + 1);
      return beginning;
    }
    consume(text().size());
    if (!TRY(more())) return beginning;
  }
}

Line LineReader::finish(std::string_view text, std::size_t consumed) {
  pending_ = consumed;
  ++number_;
  if (number_ == 1 && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (text.ends_with('\r')) text.remove_suffix(1);
  return {number_, text, false};
}

Result<std::optional<Line>> LineReader::next() {
  window_.consume(std::exchange(pending_, 0));
  std::size_t searched = 0;
  while (true) {
    const std::string_view text = window_.text();
    const std::size_t end = text.find('\n', searched);
    if (std::min(end, text.size()) > max_line_bytes_) {
      beginning_ = TRY(window_.skip_line(std::min(max_line_bytes_, kRawBytes)));
      return Line{++number_, beginning_, true};
    }
    if (end != std::string_view::npos) return finish(text.substr(0, end), end + 1);
    searched = text.size();
    if (TRY(window_.more())) continue;
    const std::string_view last = window_.text();
    if (last.empty()) return std::optional<Line>();
    return finish(last, last.size());
  }
}

}  // namespace millrace::ingest
