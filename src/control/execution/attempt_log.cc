#include "execution/attempt_log.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "base/file.h"
#include "base/size.h"

namespace millrace::execution {
namespace {

constexpr std::size_t kLongestLogLine = 1U << 16U;
constexpr std::size_t kLongestLastLine = 300;

}  // namespace

std::string attempt_log_path(const std::string& folder, const orchestration::AttemptId& attempt,
                             int generation, int number) {
  const std::string index =
      attempt.map_index == orchestration::kNotMapped ? "" : fmt::format("/{}", attempt.map_index);
  return fmt::format("{}/{}/{}/{}{}/{}.{}.log", folder, attempt.run.dag.str(),
                     attempt.run.run.str(), attempt.task.str(), index, generation, number);
}

Result<AttemptLog> AttemptLog::create(const std::string& path,
                                      const orchestration::AttemptId& attempt,
                                      std::uint64_t limit_bytes, const Clock& clock) {
  TRY(make_folders(path.substr(0, path.rfind('/'))));
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.is_open()) return file_error(errno, path);
  AttemptLog log(std::move(file), limit_bytes, clock);
  log.write("millrace-attempt-log 1 " + attempt.str() + "\n");
  return log;
}

AttemptLog::~AttemptLog() {
  if (file_.is_open()) flush();
}

void AttemptLog::stream(std::string_view source, std::string_view bytes) {
  std::string& waiting = waiting_[std::string(source)];
  std::string out;
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t room = kLongestLogLine - waiting.size();
    if (newline == std::string_view::npos && bytes.size() < room) {
      waiting += bytes;
      break;
    }
    // A line that is too long is cut into several.
    const bool whole = newline != std::string_view::npos && newline <= room;
    const std::size_t length = whole ? newline : room;
    if (waiting.empty()) {
      add_line(out, source, bytes.substr(0, length));
    } else {
      waiting += bytes.substr(0, length);
      add_line(out, source, waiting);
      waiting.clear();
    }
    bytes.remove_prefix(whole ? length + 1 : length);
  }
  write(out);
}

void AttemptLog::say(std::string_view level, std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min({text.find('\n'), text.size(), kLongestLogLine});
    add_line(out, level, text.substr(0, end));
    text.remove_prefix(end);
    if (text.starts_with('\n')) text.remove_prefix(1);
  }
  write(out);
}

void AttemptLog::flush() {
  for (auto& [source, waiting] : waiting_) {
    if (waiting.empty()) continue;
    std::string out;
    add_line(out, source, waiting);
    waiting.clear();
    write(out);
  }
}

void AttemptLog::last_word(std::string_view level, std::string_view text) {
  flush();
  full_ = false;
  limit_ = written_ + 2 * text.size() + kLongestLogLine;
  say(level, text);
}

void AttemptLog::add_line(std::string& out, std::string_view source, std::string_view line) {
  if (line.find_first_not_of(" \r") != std::string_view::npos)
    last_lines_[std::string(source)] = std::string(line.substr(0, kLongestLastLine));
  if (full_) return;
  out += fmt::format("{} {:<8} ", format_instant(clock_->now()), source);
  out += line;
  out += '\n';
}

void AttemptLog::write(std::string_view bytes) {
  if (full_ || bytes.empty()) return;
  std::string notice;
  if (written_ + bytes.size() > limit_) {
    full_ = true;
    notice =
        fmt::format("{} millrace the log has reached its limit of {}; what follows is dropped\n",
                    format_instant(clock_->now()), format_bytes(limit_));
    bytes = notice;
  }
  // A disk that is full loses log lines, not the attempt.
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    written_ += static_cast<std::uint64_t>(count);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace millrace::execution
