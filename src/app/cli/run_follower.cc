#include "cli/run_follower.h"

#include <fmt/core.h>
#include <poll.h>

namespace millrace::cli {
namespace {

constexpr std::chrono::milliseconds kWait(5'000);
constexpr std::chrono::milliseconds kBetweenQuestions(200);

/// Shown in the place of "success": the task did its work, and what it judged did not pass.
constexpr const char* kRefused = "refused";

/// In the place of "failed": it was killed with its run, which is the one way to that error.
constexpr const char* kCancelled = "cancelled";

std::string state_of(const Json& task) {
  if (task.bool_or("refused", false)) return kRefused;
  const std::string state = task.string_or("state", "");
  return state == "failed" && task.string_or("error", "") == "cancelled" ? kCancelled : state;
}

Colour colour_of(const std::string& state) {
  if (state == "success") return Colour::Green;
  if (state == kRefused) return Colour::Yellow;
  if (state == "failed" || state == "upstream_failed") return Colour::Red;
  if (state == "running") return Colour::Blue;
  if (state == "skipped") return Colour::Grey;
  return Colour::Yellow;
}

bool is_over(const std::string& state) {
  return state == "success" || state == kRefused || state == "failed" || state == kCancelled ||
         state == "skipped" || state == "upstream_failed" || state == "up_for_retry";
}

std::string summary_of(const Json& task) {
  const Json& result = task["result"];
  if (task.string_or("state", "") != "success") return task.string_or("message", "");
  const std::string summary = result.string_or("summary", "");
  return result.bool_or("reused", false) ? "unchanged: " + summary : summary;
}

/// A server of an older Millrace may not know of it.
const Json::Array& elements_of(const Json& record, std::string_view name) {
  static const Json::Array none;
  const Json& found = record[name];
  return found.is_array() ? found.as_array() : none;
}

/// The first line: the rest of a long message stands below the table.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string run_path(const std::string& dag, const std::string& run) {
  return "/api/v1/dags/" + net::encode_part(dag) + "/runs/" + net::encode_part(run);
}

std::optional<Duration> duration_of(const Json& record) {
  const auto start = parse_instant(record.string_or("started_at", ""));
  const auto end = parse_instant(record.string_or("finished_at", ""));
  if (!start.ok() || !end.ok()) return std::nullopt;
  return *end - *start;
}

bool is_finished(const Json& run) {
  const std::string state = run.string_or("state", "");
  return state == "success" || state == "failed";
}

std::string standing_of(const Json& run) {
  const bool cancelled = is_finished(run) && run.bool_or("cancelled", false);
  return cancelled ? kCancelled : run.string_or("state", "");
}

std::string outcome_of(const Json& run) {
  std::string words;
  const auto add = [&](const std::string& more) { words += (words.empty() ? "" : "; ") + more; };
  for (const Json& task : elements_of(run, "failed"))
    add(task.string_or("task", "") + ": " + first_line(task.string_or("message", "")));
  // The judgement of the model says why, also where a leak check before it has refused.
  const Json::Array& models = elements_of(run, "models");
  for (const Json& model : models) add(first_line(model.string_or("message", "")));
  if (models.empty())
    for (const Json& task : elements_of(run, "refused"))
      add("refused by " + task.string_or("task", "") + ": " +
          first_line(task.string_or("message", "")));
  return words;
}

Result<Json> RunFollower::follow(const std::string& dag, const std::string& run,
                                 std::int64_t after) {
  const std::string path = run_path(dag, run);
  // At first nothing is waited for: the run may have ended long ago.
  for (auto wait = std::chrono::milliseconds(0);; wait = kWait) {
    const auto asked_at = std::chrono::steady_clock::now();
    const int server = connection_.replaced();
    const Json page = TRY(connection_.get_json(
        fmt::format("{}/events?after={}&wait_ms={}", path, after, wait.count())));
    // Another server counts from 1 again; the page was asked for with a number of the one before.
    after = server == connection_.replaced() ? page.integer_or("next", after) : 0;
    bool finished = false;
    for (const Json& event : page["events"].as_array()) {
      if (!quiet_) show(event);
      if (event.string_or("type", "") == "run") finished = is_finished(event["run"]);
    }
    // Events may have been missed (a server that was restarted): the run itself is the truth.
    if (!finished && !page["events"].as_array().empty()) continue;
    Json now = TRY(connection_.get_json(path));
    if (is_finished(now)) return now;
    tell_trouble(now);
    // A server with too many watchers answers without waiting.
    if (wait == kWait && std::chrono::steady_clock::now() - asked_at < kBetweenQuestions)
      ::poll(nullptr, 0, static_cast<int>(kBetweenQuestions.count()));
  }
}

/// Once for each.
void RunFollower::tell_trouble(const Json& run) {
  const std::string trouble = run.string_or("trouble", "");
  if (trouble == std::exchange(trouble_, trouble) || trouble.empty()) return;
  warn(fmt::format("{} waits: {}", run.string_or("run_id", ""), trouble));
}

void RunFollower::show(const Json& event) {
  const std::string type = event.string_or("type", "");
  if (type == "task") show_task(event["task"]);
  // A task's words may come before it is stored that it runs.
  if (type == "progress" && !over_.contains(event.string_or("task", ""))) {
    running_[event.string_or("task", "")] = event["body"];
    show_progress();
  }
}

void RunFollower::show_task(const Json& task) {
  const std::string id = task.string_or("task", "");
  const std::string state = state_of(task);
  if (state == "running") {
    over_.erase(id);
    running_.try_emplace(id);
    show_progress();
  }
  if (!is_over(state)) return;
  running_.erase(id);
  over_.insert(id);
  const auto took = duration_of(task);
  terminal_.line(fmt::format("  {:<16} {} {:>8}  {}", id,
                             terminal_.paint(colour_of(state), fmt::format("{:<15}", state)),
                             took ? format_duration(*took) : "", first_line(summary_of(task))));
  show_progress();
}

bool RunFollower::has_shown(const Json& run) const {
  if (quiet_) return false;
  for (const Json& task : run["tasks"].as_array())
    if (!over_.contains(task.string_or("task", ""))) return false;
  return true;
}

std::string progress_text(const Json& progress) {
  std::string words = progress.string_or("message", "");
  const double total = progress.number_or("total", 0);
  if (total <= 0) return words;
  return Terminal::bar(progress.number_or("done", 0) / total, 12) + (words.empty() ? "" : " ") +
         words;
}

void RunFollower::show_progress() {
  std::string text;
  for (const auto& [task, progress] : running_) {
    text += (text.empty() ? "  " : "   ") + task;
    if (!progress.is_null()) text += " " + progress_text(progress);
  }
  if (!text.empty()) terminal_.status(text);
}

void print_tasks(Terminal& terminal, const Json& run) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& task : run["tasks"].as_array()) {
    const auto each = duration_of(task);
    rows.push_back({task.string_or("task", ""),
                    terminal.paint(colour_of(state_of(task)), state_of(task)),
                    each ? format_duration(*each) : "", first_line(summary_of(task))});
  }
  terminal.table({"TASK", "STATE", "TIME", "WHAT"}, rows);
}

void print_end(Terminal& terminal, const Json& run) {
  std::string refused;
  for (const Json& task : run["tasks"].as_array()) {
    const std::string id = task.string_or("task", "");
    if (state_of(task) == kRefused) refused += (refused.empty() ? "" : ", ") + id;
    if (state_of(task) == "failed")
      terminal.line(fmt::format("{} {}\n", terminal.paint(Colour::Red, id + ":"),
                                task.string_or("message", "no reason was given")));
  }
  const std::string state = standing_of(run);
  const auto took = duration_of(run);
  terminal.line(fmt::format(
      "{} {} {}{}{}", run.string_or("dag", ""), run.string_or("run_id", ""),
      terminal.paint(colour_of(state), state), took ? " in " + format_duration(*took) : "",
      refused.empty() ? "" : ", " + terminal.paint(Colour::Yellow, "refused by " + refused)));
}

void print_runs(Terminal& terminal, const Json& runs) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& run : runs.as_array()) {
    const auto took = duration_of(run);
    const std::string state = standing_of(run);
    rows.push_back({run.string_or("dag", ""), run.string_or("run_id", ""),
                    terminal.paint(colour_of(state), state), run.string_or("reason", ""),
                    to_the_second(run.string_or("started_at", "")),
                    took ? format_duration(*took) : "", outcome_of(run)});
  }
  terminal.table({"DAG", "RUN", "STATE", "REASON", "STARTED", "TIME", "WHAT CAME OF IT"}, rows);
}

}  // namespace millrace::cli
