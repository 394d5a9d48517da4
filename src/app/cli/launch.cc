// `millrace launcher`: runs attempts, started by a server that finds none.

#include "base/clock.h"
#include "base/log.h"
#include "cli/verbs.h"
#include "launcher/launcher.h"

namespace millrace::cli {

int launch(const std::string& state) {
  constexpr int connection = 3;
  const auto clock = make_system_clock();
  const Status served =
      launcher::run_launcher({.state = state, .first_connection = connection}, *clock);
  if (served.ok()) return kSuccess;
  log_error(served.error().message());
  return kUnavailable;
}

}  // namespace millrace::cli
