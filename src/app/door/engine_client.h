#pragma once

// The client of `millrace engine --stdio` (docs/formats/engine_stdio.md): a child process with one
// session in it.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/file_descriptor.h"
#include "base/json.h"
#include "base/result.h"
#include "columnar/record_batch.h"

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
  /// The answer as JSON, for a small one.
  Result<Json> rows(std::string_view sql);

  /// The answer as it is made. The next call of this client ends it; reading on is Invalid then. The
  /// client stays where it is and outlives the reader's last use.
  Result<std::unique_ptr<columnar::BatchReader>> query(std::string_view sql);

  /// The bytes of an Arrow stream, message by message, and nothing at its end.
  using NextBytes = std::function<Result<std::optional<std::string>>()>;
  /// Makes the rows of a stream a table. Returns how many they are. Errors: what `next` gives.
  Result<std::int64_t> put(std::string_view name, const NextBytes& next);

 private:
  EngineClient(pid_t child, FileDescriptor to, FileDescriptor from)
      : child_(child), to_(std::move(to)), from_(std::move(from)) {}
  Result<Json> ask(const Json& request);
  Status send(std::string_view bytes);
  Status say(const Json& line);
  /// The engine's next line, or the error that it says.
  Result<Json> read_answer();
  Result<std::string> read_line();
  Result<std::size_t> read_some(std::span<char> into);
  bool has_answered() const;

  Result<std::size_t> read_answer_bytes(std::uint64_t answer, std::span<char> into);
  Status begin_part();
  Status end_answer();

  pid_t child_ = -1;
  FileDescriptor to_;
  FileDescriptor from_;
  std::string buffer_;
  // Of the answer that is being read, or was read last:
  std::uint64_t answer_ = 0;     // its number
  bool is_part_asked_ = false;   // the engine makes its next part
  std::int64_t part_left_ = 0;   // bytes of the part that has begun
  bool is_answer_read_ = false;  // to its end
};

}  // namespace millrace::door
