#pragma once

// The program file of this process. A server starts its attempts from the file as it is then, so
// one that was built anew in between must not go unnoticed.

#include <string>

#include "base/result.h"

namespace millrace::server {

/// The path of the program that runs; what attempts are started from.
std::string own_program();

class RunningProgram {
 public:
  /// Remembers the file that this process was started from.
  RunningProgram();
  /// The same for a file that is named.
  explicit RunningProgram(std::string path);

  /// Whether another file, or none, stands in its place by now.
  bool replaced() const;

 private:
  std::string path_;
  std::string identity_;
};

}  // namespace millrace::server
