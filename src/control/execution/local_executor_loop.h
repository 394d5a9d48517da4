#pragma once

// The inside of LocalExecutor. local_executor.cc has what others call, local_executor_loop.cc the
// thread.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "execution/attempt_watch.h"
#include "execution/local_attempt.h"
#include "execution/local_executor.h"

namespace millrace::execution {

/// The thread, and all that it alone touches.
class LocalExecutor::Loop {
 public:
  Loop(LocalExecutorOptions options, const Clock& clock, std::unique_ptr<Spawner> spawner)
      : options_(std::move(options)), clock_(clock), spawner_(std::move(spawner)) {}
  ~Loop() { stop(Duration::zero()); }

  Status open();
  void listen(orchestration::ExecutorListener& listener) { listener_ = &listener; }
  Status start(orchestration::AttemptRequest request);
  void kill(const orchestration::AttemptId& attempt, Duration grace);
  void stop(Duration grace);

 private:
  using What = AttemptWatch::What;

  void run();
  void take_orders();
  void begin_or_fail(orchestration::AttemptRequest request);
  void begin(orchestration::AttemptRequest request);
  void serve_or_end(int fd, std::uint32_t events);
  void serve(int fd, std::uint32_t events);
  void serve_channel(LocalAttempt& attempt, int fd, std::uint32_t events);
  void pass_questions(LocalAttempt& attempt);
  void write_channel(LocalAttempt& attempt);
  void end_with_its_group(LocalAttempt& attempt);
  void end(LocalAttempt& attempt);
  void fail(const orchestration::AttemptId& attempt, const Error& error);
  void keep_time();
  void check_memory();
  int milliseconds_to_wait() const;
  void order(std::function<void()> what);

  LocalExecutorOptions options_;
  const Clock& clock_;
  std::unique_ptr<Spawner> spawner_;
  orchestration::ExecutorListener* listener_ = nullptr;

  std::mutex mutex_;
  std::deque<std::function<void()>> orders_;
  bool stopping_ = false;

  AttemptWatch watch_;
  std::thread thread_;

  // The thread's.
  bool leaving_ = false;
  std::map<orchestration::AttemptId, std::unique_ptr<LocalAttempt>> attempts_;
  LocalAttempt::SteadyTime memory_at_;
};

}  // namespace millrace::execution
