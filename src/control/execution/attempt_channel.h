#pragma once

// AttemptChannel: an attempt's side of its channel, used in the attempt's own process. It says that
// the attempt is alive, carries what it has to tell, and tells it when to stop.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "orchestration/dag.h"
#include "orchestration/ids.h"

namespace millrace::execution {

struct ChannelRequest {
  orchestration::AttemptId attempt;
  int generation = 1;
  int number = 1;
  orchestration::Resources resources;
  Json document;  // what TaskHooks::prepare made
};

class AttemptChannel {
 public:
  struct Options {
    /// When the supervisor has gone, the process ends itself (exit status 75) this long after it
    /// was told to stop, if it has not ended by then.
    Duration leave_after = std::chrono::seconds(10);
  };

  /// Takes the channel from the environment, reads the request, and begins to send heartbeats from
  /// a thread of its own. Call it first in main, before other threads are made: it blocks SIGTERM
  /// in this thread and so in those made later, and reads it from its own. Errors: NotFound when
  /// the process was not started as an attempt; Unsupported for another version of the protocol;
  /// Invalid, Unavailable.
  static Result<std::unique_ptr<AttemptChannel>> open(Options options);
  static Result<std::unique_ptr<AttemptChannel>> open() { return open(Options()); }
  ~AttemptChannel();
  AttemptChannel(const AttemptChannel&) = delete;
  AttemptChannel& operator=(const AttemptChannel&) = delete;

  const ChannelRequest& request() const;

  // Thread-safe. Errors: Invalid for a message above 1 MiB; Unavailable when the supervisor is
  // gone. A log line that is too long is cut instead.

  Status log(std::string_view level, std::string_view message);
  /// `fraction` is told in thousandths; below 0, above 1 and NaN become the nearest, and 0.
  Status progress(double fraction, std::string_view message);
  Status metrics(const Json& values);
  Status xcom(std::string_view key, const Json& value);
  Status lineage(const Json& event);

  /// Whether this attempt is still the current one; ask before a commit. Waits for the answer.
  /// Errors: Denied when another attempt took its place or it is being ended, Unavailable when the
  /// supervisor is gone.
  Status ask_fence();

  // The last word, once; then end the process with status 0. A result that was refused as too large
  // is not yet the last word: fail() with that error.

  enum class Downstream : std::uint8_t { Goes, IsSkipped };
  Status succeed(const Json& result, Downstream downstream = Downstream::Goes);
  Status skip(std::string_view reason);
  Status fail(const Error& error);

  /// True once SIGTERM came or the supervisor went: stop soon, and commit nothing more.
  bool cancelled() const;
  /// `stop` is called once, from the channel's thread, when that happens; at once if it has.
  void on_cancel(std::function<void()> stop);

 private:
  class Inside;
  explicit AttemptChannel(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace millrace::execution
