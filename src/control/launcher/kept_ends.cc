#include "launcher/kept_ends.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

namespace millrace::launcher {
namespace {

using orchestration::AttemptId;

constexpr std::string_view kFirstLine = "{\"millrace_launcher_ended\":1}\n";
// A file of ends that were all settled is not worth being made anew below this.
constexpr std::uint64_t kSmallFile = 1U << 20U;

bool is_larger_than(const FileDescriptor& file, std::uint64_t bytes) {
  struct stat about{};
  return ::fstat(file.get(), &about) == 0 && about.st_size > static_cast<off_t>(bytes);
}

/// A folder in the file's place is nobody's of ours, and no task could run.
void put_folder_aside(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) return;
  const std::string aside = path + ".aside";
  if (::rename(path.c_str(), aside.c_str()) == 0)
    log_warning(
        fmt::format("{} is a folder, where ends of attempts are kept; it is {} now", path, aside));
}

}  // namespace

Result<KeptEnds> KeptEnds::open(std::string path, Options options) {
  KeptEnds ends(std::move(path), options);
  put_folder_aside(ends.path_);
  ends.file_ =
      FileDescriptor(::open(ends.path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!ends.file_.is_open()) return file_error(errno, ends.path_);
  TRY(ends.load());
  return ends;
}

Status KeptEnds::load() {
  Result<std::string> read = read_file(path_, 2 * options_.most_bytes);
  if (!read.ok() && is_larger_than(file_, 2 * options_.most_bytes)) {
    log_warning(
        "what an earlier launcher has left is not read, since no launcher leaves as much: " +
        read.error().message());
    read = std::string();
  }
  const std::string text = TRY(std::move(read));
  std::string_view left = text;
  if (!left.empty() && !left.starts_with(kFirstLine)) {
    log_warning(
        fmt::format("what an earlier launcher has left is not read, since it is of another "
                    "version: {}",
                    path_));
    left = {};
  }
  left.remove_prefix(std::min(kFirstLine.size(), left.size()));
  while (!left.empty()) {
    const std::size_t newline = std::min(left.find('\n'), left.size());
    const std::string_view line = left.substr(0, newline);
    left.remove_prefix(std::min(newline + 1, left.size()));
    if (line.size() >= kLongestLine) {
      log_warning(
          fmt::format("an end of an attempt is left out, and its attempt counts as lost, since it "
                      "is of {} bytes, and a server reads {}: {}",
                      line.size(), kLongestLine - 1, path_));
      continue;
    }
    Result<Report> report = report_from(line);
    auto* end = report.ok() ? std::get_if<report::Finished>(&*report) : nullptr;
    if (end == nullptr) {
      log_warning(
          fmt::format("an end of an attempt is left out, since its line was not written "
                      "whole: {}",
                      path_));
      continue;
    }
    kept_bytes_ += line.size() + 1;
    ends_[end->attempt] = {end->token, make_line(std::string(line) + "\n"), true};
  }
  rewrite();  // what is wrong in it does not stay
  return {};
}

bool KeptEnds::append(std::string_view bytes) {
  if (file_bytes_ == 0 && bytes != kFirstLine && !append(kFirstLine)) return false;
  if (file_bytes_ + bytes.size() > options_.most_bytes) {
    errno = EFBIG;
    return false;
  }
  for (std::string_view left = bytes; !left.empty();) {
    const ssize_t size = ::write(file_.get(), left.data(), left.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      const int error = errno;
      // No half line before the next one.
      [[maybe_unused]] const int cut = ::ftruncate(file_.get(), static_cast<off_t>(file_bytes_));
      errno = error;
      return false;
    }
    left.remove_prefix(static_cast<std::size_t>(size));
  }
  file_bytes_ += bytes.size();
  return true;
}

bool KeptEnds::has_room_for(std::size_t bytes) const {
  return kept_bytes_ + bytes <= 2 * options_.most_bytes;
}

void KeptEnds::add(const AttemptId& attempt, std::string token, Line line) {
  remove(attempt);
  Kept kept{std::move(token), std::move(line), false};
  kept.in_file = append(*kept.line);
  if (!kept.in_file)
    log_warning(
        fmt::format("the end of attempt {} is kept in memory alone until a server has "
                    "stored it: {}: {}",
                    attempt.str(), path_, std::strerror(errno)));
  kept_bytes_ += kept.line->size();
  ends_[attempt] = std::move(kept);
}

void KeptEnds::remove(const AttemptId& attempt) {
  const auto found = ends_.find(attempt);
  if (found == ends_.end()) return;
  kept_bytes_ -= found->second.line->size();
  ends_.erase(found);
  if (ends_.empty() || file_bytes_ > 2 * kept_bytes_ + kSmallFile) rewrite();
}

/// With the ends that count alone. Of the others none is asked for any more, so it is enough that
/// the file is shorter; only where some are left it is made anew beside the old one.
void KeptEnds::rewrite() {
  if (ends_.empty()) {
    const std::uint64_t left = file_bytes_ < kFirstLine.size() ? 0 : kFirstLine.size();
    if (::ftruncate(file_.get(), static_cast<off_t>(left)) == 0) file_bytes_ = left;
    return;
  }
  std::string text(kFirstLine);
  for (const auto& entry : ends_) text += *entry.second.line;
  if (text.size() > options_.most_bytes) return;
  Status written = write_file(path_, text);
  if (written.ok()) {
    FileDescriptor file(::open(path_.c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
    if (!file.is_open()) written = file_error(errno, path_);
    if (file.is_open()) file_ = std::move(file);
  }
  if (!written.ok()) return log_warning("ends of attempts: " + written.error().message());
  file_bytes_ = text.size();
  for (auto& entry : ends_) entry.second.in_file = true;
}

Line KeptEnds::find(const AttemptId& attempt, const std::string& token) const {
  const auto found = ends_.find(attempt);
  return found == ends_.end() || found->second.token != token ? nullptr : found->second.line;
}

std::set<AttemptId> KeptEnds::attempts() const {
  std::set<AttemptId> all;
  for (const auto& entry : ends_) all.insert(entry.first);
  return all;
}

bool KeptEnds::are_in_file() {
  const auto missing = [this] {
    return std::any_of(ends_.begin(), ends_.end(),
                       [](const auto& entry) { return !entry.second.in_file; });
  };
  if (missing()) rewrite();
  return !missing();
}

}  // namespace millrace::launcher
