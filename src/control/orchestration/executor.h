#pragma once

// The port through which attempts are run: local processes (execution), a fleet, pods.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "orchestration/dag.h"
#include "orchestration/ids.h"
#include "orchestration/scheduler.h"

namespace millrace::orchestration {

/// What an attempt runs and what it is told.
struct Preparation {
  Preparation() = default;
  Preparation(Json told) : document(std::move(told)) {}  // the executor's own program does it

  Json document = Json::object();    // the request, as the attempt reads it from its channel
  std::vector<std::string> command;  // empty: the executor's own program for attempts
  std::map<std::string, std::string> environment;  // added to the executor's
  std::string working_folder;                      // empty: the executor's
  /// Whether the command speaks the attempt protocol (docs/formats/attempt.md). One that does must
  /// report a result to have succeeded; of one that does not, exit status 0 is success.
  enum class Speaks : std::uint8_t { Protocol, Nothing };
  Speaks speaks = Speaks::Protocol;
};

struct AttemptRequest {
  AttemptId id;
  int generation = 1;
  int number = 1;
  Resources resources;
  Preparation work;
};

struct ResourcesUsed {
  Duration cpu = Duration::zero();  // user and system
  Duration wall = Duration::zero();
  std::uint64_t max_rss_bytes = 0;
};

/// All that is known of an attempt that is over. `outcome` is the last word; exit_code and signal
/// are for people.
struct AttemptEnd {
  Outcome outcome;
  Json result;                   // what the attempt returned
  Json xcoms = Json::object();   // what it pushed besides, by key
  std::optional<int> exit_code;  // when it exited
  std::optional<int> signal;     // when a signal ended it
  ResourcesUsed used;
};

/// log, progress, metrics or lineage, as the attempt sent it.
struct AttemptMessage {
  std::string type;
  Json body;
};

/// What an executor tells; thread-safe. Of each attempt: started once (not again once adopted), then
/// heartbeats and messages, then finished or lost, once.
class ExecutorListener {
 public:
  virtual ~ExecutorListener() = default;
  virtual void started(const AttemptId& attempt) = 0;
  virtual void heartbeat(const AttemptId& attempt) = 0;
  virtual void message(const AttemptId& attempt, AttemptMessage message) = 0;
  /// The attempt outlives this server, and another one finds it again by `token`, which is known
  /// only now (a pod, an operation of another system): Executor::adopt. May be said again; the last
  /// one counts.
  virtual void resumable(const AttemptId& attempt, std::string token) = 0;
  /// How many attempts the executor holds at once, from now on. One that has as much room as it is
  /// given says nothing.
  virtual void capacity(int attempts) = 0;
  /// The fence question: whether the attempt is the current one, so that what it is about to commit
  /// may stand. `answer` is called once, in this call or later, from any thread, while the executor
  /// lives; never, when the server ends before it has answered.
  virtual void may_commit(const AttemptId& attempt, std::function<void(bool)> answer) = 0;
  virtual void finished(const AttemptId& attempt, AttemptEnd end) = 0;
  /// The attempt is gone or out of reach, and its end is not known.
  virtual void lost(const AttemptId& attempt, std::string why) = 0;
};

class Executor {
 public:
  virtual ~Executor() = default;
  /// Before the first start. The listener outlives the executor's last call.
  virtual void listen(ExecutorListener& listener) = 0;
  /// By this, and who they are, another server finds the attempts again that this one starts
  /// (adopt): it is stored before they are started, so that there is no moment in which one runs and
  /// cannot be found. Always the same, and no other executor's; not a secret. Empty: they end with
  /// this server, or each says its token (resumable).
  virtual std::string resume_token() const { return ""; }
  /// Returns when the attempt is accepted, not when it runs. An Error says that it will not run;
  /// then the listener hears nothing of it.
  virtual Status start(AttemptRequest request) = 0;
  /// Takes up an attempt that an earlier server started, by the token that was left with it. True:
  /// it is alive or its end is known, and its reports follow, from now on, also within this call.
  /// False: it is gone. Asked before the first start(), and later whenever the server had to read
  /// its store anew; then again of what was gone. Never of an attempt that the executor holds.
  virtual bool adopt(const AttemptId& attempt, const std::string& token) {
    static_cast<void>(attempt), static_cast<void>(token);
    return false;
  }
  /// Whatever an earlier server has started and this one has not adopted is of no use any more:
  /// ends it, and returns when it is gone. Once, before the first start(). Errors: Unavailable when
  /// some of it lives on; it says how to mend that.
  virtual Status end_the_rest() { return {}; }
  /// What finished() or lost() told of it is stored: its end may be forgotten. Until then another
  /// server may ask for it (adopt). Nothing happens when there is no such attempt.
  virtual void settled(const AttemptId& attempt) { static_cast<void>(attempt); }
  /// Asks it to end, and makes it end after `grace`. finished or lost follows. Nothing happens when
  /// there is no such attempt.
  virtual void kill(const AttemptId& attempt, Duration grace) = 0;
  /// Ends all attempts and returns when they are gone. The listener hears nothing more after that.
  virtual void stop(Duration grace) = 0;
  /// Lets go of the attempts that can live without this server, for another to adopt, and ends the
  /// rest as stop does.
  virtual void detach(Duration grace) { stop(grace); }
  /// What keeps attempts from being started, heard or ended just now, and how to mend it; "" when
  /// nothing does. Answers at once, whatever other threads wait for.
  virtual std::string trouble() const { return ""; }
};

/// Calls a function within start(): for tests and for work that takes no time.
class InlineExecutor final : public Executor {
 public:
  using Work = std::function<AttemptEnd(const AttemptRequest&, ExecutorListener&)>;

  explicit InlineExecutor(Work work) : work_(std::move(work)) {}
  void listen(ExecutorListener& listener) override { listener_ = &listener; }
  Status start(AttemptRequest request) override {
    listener_->started(request.id);
    listener_->finished(request.id, work_(request, *listener_));
    return {};
  }
  void kill(const AttemptId&, Duration) override {}
  void stop(Duration) override {}

 private:
  Work work_;
  ExecutorListener* listener_ = nullptr;
};

}  // namespace millrace::orchestration
