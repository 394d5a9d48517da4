#pragma once

// LauncherExecutor: attempts that outlive the server, run by the launcher of the project's state
// folder. It finds the launcher that is there, or starts one when there is something to run.
//
// A launcher that dies takes its attempts with it: those whose end it had kept are told by the next
// one, the others are lost, and the next start() brings up another launcher.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "orchestration/executor.h"

namespace millrace::launcher {

struct LauncherExecutorOptions {
  std::string state;  // the project's state folder, by its real path
  /// Becomes the launcher: its first connection is its descriptor 3. Its words go to
  /// <state>/launcher.log, and its environment is empty.
  std::vector<std::string> launcher;
  std::vector<std::string> program;  // for attempts that bring no command of their own
  /// How long an answer of the launcher is waited for.
  Duration patience = std::chrono::seconds(30);
  /// After which the silence of a launcher that runs attempts is told (trouble): each attempt gives
  /// a sign of life every 5 s.
  Duration odd_silence = std::chrono::seconds(12);
};

class LauncherExecutor final : public orchestration::Executor {
 public:
  /// Connects to the launcher that is there. One of another version, or of another place (the
  /// project was moved), is ended with its attempts. Only the one who holds the project's lock may
  /// make it. Errors: Denied when the launcher is another user's; Unavailable.
  static Result<std::unique_ptr<LauncherExecutor>> make(LauncherExecutorOptions options);
  /// Lets go, unless it was stopped.
  ~LauncherExecutor() override;

  void listen(orchestration::ExecutorListener& listener) override;
  std::string resume_token() const override;
  /// Waits for no connection: where no launcher is connected the attempt waits until one is. It may
  /// wait for a launcher that was stopped, once its socket is full (docs/formats/launcher.md). Errors:
  /// Unavailable after stop(); Invalid for a request document above the attempt protocol's limit.
  /// That there is no launcher and none can be started is told by finished().
  Status start(orchestration::AttemptRequest request) override;
  bool adopt(const orchestration::AttemptId& attempt, const std::string& token) override;
  Status end_the_rest() override;
  void settled(const orchestration::AttemptId& attempt) override;
  /// One that waits to be started is over at once.
  void kill(const orchestration::AttemptId& attempt, Duration grace) override;
  void stop(Duration grace) override;
  void detach(Duration grace) override;
  std::string trouble() const override;

 private:
  class Client;
  explicit LauncherExecutor(std::unique_ptr<Client> client);
  std::unique_ptr<Client> client_;
};

}  // namespace millrace::launcher
