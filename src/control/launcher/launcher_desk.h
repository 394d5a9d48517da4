#pragma once

// LauncherDesk: what a launcher knows of its attempts, and what follows from what a server asks and
// from what attempts do. No socket in it: lines come in as orders, and go out as reports.
//
// Attempts belong to no server. One that has just come hears of those that it started or adopted;
// what it does not adopt ends. While none is there attempts go on: their ends are kept, their
// questions wait, and what they only have to tell (progress) is dropped; their logs have it.
//
// Of one task one attempt runs at a time, whatever a server believes that has heard nothing of the
// earlier one for long (this process was stopped): that one is ended, and the next begins then.

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "launcher/kept_ends.h"
#include "launcher/launcher_protocol.h"
#include "orchestration/executor.h"

namespace millrace::launcher {

class LauncherDesk final : public orchestration::ExecutorListener {
 public:
  enum class Need : std::uint8_t {
    IfThereIsRoom,  // the server may be slow; this can be left out
    Always,
  };
  /// Sends a line to the server of now; called by several threads, one at a time. It does not wait.
  using Send = std::function<void(Line line, Need need)>;
  /// Ends processes that attempts have left, but not those of `spared` attempts.
  using EndSurvivors = std::function<Status(const std::set<orchestration::AttemptId>& spared)>;

  /// The executor outlives the desk's last call, and this is its listener. `wake` is called when
  /// tend() has something to do, or nothing runs any more.
  LauncherDesk(orchestration::Executor& executor, KeptEnds ends, EndSurvivors end_survivors,
               Send send, std::function<void()> wake);
  /// No answer reaches the executor any more.
  ~LauncherDesk() override;

  // By the launcher's thread.

  /// A server is there, in the place of an earlier one.
  void server_came(const order::Hello& hello);
  void server_left();
  /// Carries out what has been heard at one time, in order; what is started and ended in it never
  /// begins. Errors: Invalid for what no server in its senses says, behind which nothing is obeyed;
  /// its connection should end.
  Status obey(std::vector<Order> orders);
  /// What takes time, or follows from an end. Whenever `wake` was called.
  void tend();

  bool has_live_attempts() const;
  /// Whether all is over: it was told to stop, and nothing runs any more.
  bool is_done() const;
  /// Whether nothing is lost when the launcher leaves now.
  bool may_leave();

  // From the executor.
  void started(const orchestration::AttemptId& attempt) override;
  void heartbeat(const orchestration::AttemptId& attempt) override;
  void message(const orchestration::AttemptId& attempt,
               orchestration::AttemptMessage message) override;
  void resumable(const orchestration::AttemptId&, std::string) override {}
  void capacity(int) override {}
  void may_commit(const orchestration::AttemptId& attempt,
                  std::function<void(bool)> answer) override;
  void finished(const orchestration::AttemptId& attempt, orchestration::AttemptEnd end) override;
  void lost(const orchestration::AttemptId& attempt, std::string why) override;

 private:
  /// An attempt that has been started and whose end has not come.
  struct Live {
    std::string token;
    bool told = true;         // the server of now hears of it: it has started or adopted it
    bool is_settled = false;  // nobody will ask for its end
    /// What is begun when all that was heard with it has been obeyed, and the earlier attempt of its
    /// task is gone; none once it has begun.
    std::optional<orchestration::AttemptRequest> waiting = std::nullopt;
  };
  struct Question {
    orchestration::AttemptId attempt;
    std::function<void(bool)> answer;
  };

  Status take(const order::Hello& hello);
  Status take(order::Start start);
  Status take(const order::Kill& kill);
  Status take(const order::Adopt& adopt);
  Status take(const order::EndTheRest& end);
  Status take(const order::Settled& settled);
  Status take(const order::FenceAnswer& answer);
  Status take(const order::Stop& stop);
  Status obey_all(std::vector<Order>& orders);
  void begin(orchestration::AttemptRequest request);
  void begin_if_alone(const orchestration::AttemptId& attempt);
  void begin_what_waited_for(const orchestration::AttemptId& ended);
  void kill(const orchestration::AttemptId& attempt, Duration grace);
  std::set<orchestration::AttemptId> live_attempts() const;
  std::set<orchestration::AttemptId> others_of_its_task(
      const orchestration::AttemptId& attempt) const;
  void keep_end(report::Finished finished);
  void tell(const Report& report, Need need = Need::Always);
  bool hears(const orchestration::AttemptId& attempt) const;
  bool waits_for_the_rest() const;

  orchestration::Executor& executor_;
  EndSurvivors end_survivors_;
  Send send_;
  std::function<void()> wake_;

  mutable std::mutex mutex_;
  KeptEnds ends_;
  bool server_is_there_ = false;
  bool stopping_ = false;
  bool is_obeying_ = false;  // nothing begins before all has been obeyed
  order::Hello server_;
  std::map<orchestration::AttemptId, Live> live_;
  std::set<orchestration::AttemptId> told_ends_;  // of the kept ones, those that it has heard
  std::map<std::int64_t, Question> questions_;
  std::int64_t last_question_ = 0;
  std::optional<std::int64_t> rest_asked_by_;  // the id of an end_the_rest that waits
};

}  // namespace millrace::launcher
