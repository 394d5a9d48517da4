#pragma once

// KeptEnds: how attempts ended, until a server has stored it. In memory, and in a file, so that the
// end of an attempt outlives its launcher too. docs/formats/launcher.md describes the file.
//
// Nothing is synced: the file outlives a launcher that was killed, not the machine. Of an attempt
// whose end was lost with the machine the next server says that it was lost, and starts it again.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "launcher/launcher_protocol.h"

namespace millrace::launcher {

class KeptEnds {
 public:
  struct Options {
    /// The file grows no further; an end for which there is no room is kept in memory alone.
    std::uint64_t most_bytes = 256U << 20U;
  };

  /// With the ends that an earlier launcher has left. A line that cannot be read (the launcher was
  /// killed while it wrote it) or that is too long for a server is left out, with a warning; so is a
  /// file that no launcher has written. Errors: Denied, Unavailable.
  static Result<KeptEnds> open(std::string path, Options options);
  static Result<KeptEnds> open(std::string path) { return open(std::move(path), {}); }

  /// Whether an end of so many bytes does not make them more than are kept in memory: twice
  /// `most_bytes`.
  bool has_room_for(std::size_t bytes) const;
  /// Of this start of the attempt, as the line that reports it; replaces an end of an earlier one of
  /// that name.
  void add(const orchestration::AttemptId& attempt, std::string token, Line line);
  /// Nothing happens when there is none.
  void remove(const orchestration::AttemptId& attempt);
  /// The end of this start, as the line that reports it; nullptr when it is not here.
  Line find(const orchestration::AttemptId& attempt, const std::string& token) const;
  std::set<orchestration::AttemptId> attempts() const;
  /// Whether all of them are in the file; tries to make it so.
  bool are_in_file();

 private:
  struct Kept {
    std::string token;
    Line line;
    bool in_file = false;
  };
  KeptEnds(std::string path, Options options) : path_(std::move(path)), options_(options) {}
  Status load();
  bool append(std::string_view bytes);
  void rewrite();

  std::string path_;
  Options options_;
  FileDescriptor file_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;  // of the lines that count
  std::map<orchestration::AttemptId, Kept> ends_;
};

}  // namespace millrace::launcher
