#pragma once

// The client of `millrace engine --stdio` (docs/formats/engine_stdio.md): a child process with one
// session in it.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/file_descriptor.h"
#include "base/json.h"
#include "base/result.h"

namespace millrace::door {

class EngineClient {
 public:
  /// Starts the program `millrace`, with these options of its verb `engine --stdio`. Errors:
  /// NotFound, Unavailable; Unsupported when it speaks another version; what the engine gives as the
  /// reason for not opening.
  static Result<EngineClient> start(const std::string& millrace,
                                    const std::vector<std::string>& options = {});
  EngineClient(EngineClient&& other) noexcept;
  EngineClient& operator=(EngineClient&&) = delete;
  ~EngineClient();

  Status execute(std::string_view sql);
  Result<Json> query(std::string_view sql);

 private:
  EngineClient(pid_t child, FileDescriptor to, FileDescriptor from)
      : child_(child), to_(std::move(to)), from_(std::move(from)) {}
  Result<Json> ask(const Json& request);
  Result<std::string> read_line();

  pid_t child_ = -1;
  FileDescriptor to_;
  FileDescriptor from_;
  std::string buffer_;
};

}  // namespace millrace::door
