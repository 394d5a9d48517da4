#pragma once

// LocalAttempt: one attempt's process as its supervisor sees it. Its functions are called by the
// executor's thread when a descriptor has something, and never wait.

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "execution/attempt_log.h"
#include "execution/attempt_protocol.h"
#include "execution/process_group.h"
#include "execution/spawner.h"
#include "orchestration/executor.h"

namespace millrace::execution {

class LocalAttempt {
 public:
  using SteadyTime = ProcessGroup::SteadyTime;

  /// Starts the process. `owner`: LocalExecutorOptions. Errors: those of Spawner::spawn, to_line.
  static Result<std::unique_ptr<LocalAttempt>> start(orchestration::AttemptRequest request,
                                                     AttemptLog log, Spawner& spawner,
                                                     Duration heartbeat, const std::string& owner);

  const orchestration::AttemptId& id() const { return request_.id; }
  const orchestration::AttemptRequest& request() const { return request_; }
  ProcessGroup& group() { return *group_; }
  bool speaks() const { return channel_.is_open(); }
  AttemptLog& log() { return log_; }

  int channel_fd() const { return channel_.get(); }
  int output_fd() const { return output_.get(); }
  int error_fd() const { return error_.get(); }
  /// Whether something waits to be written to the channel.
  bool wants_to_write() const { return channel_.is_open() && !to_send_.empty(); }

  // One piece of what there is; false when the stream has ended (and was closed).
  bool read_output();
  bool read_error();
  bool read_channel(orchestration::ExecutorListener& listener);
  void write_channel();

  /// What it has asked since the last call: whether it may commit. Each is to be answered.
  std::vector<std::int64_t> take_questions() { return std::exchange(questions_, {}); }
  void answer(std::int64_t question, bool allowed);

  /// From now on the attempt fails for this reason, whatever it reports: the first reason counts.
  void condemn(Error why);
  bool condemned() const { return condemned_.has_value(); }

  /// Reads what is left, after the process has ended, and says how it went.
  orchestration::AttemptEnd finish(const ExitStatus& exit,
                                   orchestration::ExecutorListener& listener);

  SteadyTime beats_at;  // the next sign of life of one that does not speak
  std::uint64_t peak_group_bytes = 0;

 private:
  LocalAttempt(orchestration::AttemptRequest request, AttemptLog log)
      : request_(std::move(request)), log_(std::move(log)) {}
  Status connect(Spawner& spawner, Duration heartbeat, const std::string& owner);
  std::vector<std::string> environment(const std::string& owner) const;
  bool read_stream(FileDescriptor& from, const char* name);
  void hear(const std::string& line, orchestration::ExecutorListener& listener);
  Status obey(const Json& message, orchestration::ExecutorListener& listener);
  Status take_result(const Json& message);
  Status take_xcom(const Json& message);
  Status count(const std::string& name, const Json& value);
  orchestration::Outcome outcome(const ExitStatus& exit);

  orchestration::AttemptRequest request_;
  AttemptLog log_;
  std::optional<ProcessGroup> group_;
  SteadyTime started_ = std::chrono::steady_clock::now();
  FileDescriptor channel_;
  FileDescriptor output_;
  FileDescriptor error_;
  LineReader lines_;
  std::string to_send_;
  std::uint64_t lines_read_ = 0;
  std::vector<std::int64_t> questions_;
  std::size_t unanswered_ = 0;
  bool greeted_ = false;
  std::optional<Error> condemned_;
  std::optional<orchestration::Outcome> reported_;
  Json result_;
  Json xcoms_ = Json::object();
  // What of its end is reported so far: bytes as they are written, by name.
  std::map<std::string, std::size_t> reported_bytes_;
  std::size_t all_reported_bytes_ = 0;
};

}  // namespace millrace::execution
