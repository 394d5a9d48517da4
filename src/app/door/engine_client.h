#pragma once

// The client of `millrace engine --stdio` (docs/formats/engine_stdio.md): a child process with one
// session in it.

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/json.h"
#include "base/result.h"

namespace millrace::door {

class EngineClient {
 public:
  /// Starts the program `millrace`, with these options of its verb `engine --stdio`. Errors:
  /// NotFound, Unavailable; Unsupported when it speaks another version.
  static Result<EngineClient> start(const std::string& millrace,
                                    const std::vector<std::string>& options = {});
  EngineClient(EngineClient&& other) noexcept;
  EngineClient& operator=(EngineClient&&) = delete;
  ~EngineClient();

  Status execute(std::string_view sql);
  Result<Json> query(std::string_view sql);

 private:
  EngineClient(pid_t child, int to, int from) : child_(child), to_(to), from_(from) {}
  Result<Json> ask(const Json& request);
  Result<std::string> read_line();

  pid_t child_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string buffer_;
};

}  // namespace millrace::door
