#pragma once

// Silence: how long a launcher that runs attempts, and so has something to say, has said nothing.

#include <atomic>
#include <chrono>
#include <string>

#include <fmt/core.h>
#include <sys/types.h>

#include "base/time.h"

namespace millrace::launcher {

/// Thread-safe: it is asked while other threads wait for that launcher.
class Silence {
 public:
  explicit Silence(Duration odd) : odd_(odd) {}

  void speaks_with(pid_t launcher) {
    launcher_ = launcher;
    heard();
  }
  void heard() {
    since_ = std::chrono::steady_clock::now();
    owes_an_answer_ = false;
  }
  void wait_for_one() {
    if (waits_for_++ == 0) since_ = std::chrono::steady_clock::now();
  }
  void one_has_ended() { --waits_for_; }

  /// An answer was waited for as long as it may take, and nothing was heard since.
  void did_not_answer() { owes_an_answer_ = true; }
  bool owes_an_answer() const { return owes_an_answer_; }

  /// In a sentence; "" while it is not odd. The same words as long as it is silent: who follows a run
  /// is told once.
  std::string trouble() const {
    if (waits_for_ == 0 || std::chrono::steady_clock::now() - since_.load() < odd_) return "";
    return in_words(fmt::format("has said nothing for more than {} s",
                                std::chrono::duration_cast<std::chrono::seconds>(odd_).count()));
  }
  std::string no_answer() const { return in_words("does not answer"); }

 private:
  std::string in_words(const std::string& what) const {
    return fmt::format(
        "the launcher (pid {0}), the process that runs the attempts, {1}; if it was stopped let it "
        "go on (`kill -CONT {0}`), or end it with its attempts (`kill -9 {0}`)",
        launcher_.load(), what);
  }

  const Duration odd_;
  std::atomic<pid_t> launcher_ = 0;
  std::atomic<int> waits_for_ = 0;  // attempts
  std::atomic<bool> owes_an_answer_ = false;
  std::atomic<std::chrono::steady_clock::time_point> since_;
};

}  // namespace millrace::launcher
