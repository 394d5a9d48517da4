#pragma once

// What the program says about itself: one line per event on standard error, with time and level.
// What a task says goes into the task's own log (execution), not here.

#include <string_view>

namespace millrace {

enum class LogLevel { Debug, Info, Warning, Error };

void log(LogLevel level, std::string_view message);
inline void log_debug(std::string_view message) {
  log(LogLevel::Debug, message);
}
inline void log_info(std::string_view message) {
  log(LogLevel::Info, message);
}
inline void log_warning(std::string_view message) {
  log(LogLevel::Warning, message);
}
inline void log_error(std::string_view message) {
  log(LogLevel::Error, message);
}

/// Events below this level are not written. Info until it is called.
void set_log_level(LogLevel level);

}  // namespace millrace
