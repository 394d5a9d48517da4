// logs: what the attempts of a run wrote, from the state folder.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include <fmt/core.h>

#include "base/file.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "cli/connection.h"
#include "cli/run_names.h"
#include "metadata/database.h"
#include "orchestration/run_store.h"

namespace millrace::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHeader = "millrace-attempt-log ";  // docs/formats/attempt.md

std::vector<std::string> folders_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

/// The files below a run's folder, as "train/1.1.log", sorted.
std::vector<std::string> files_of(const fs::path& run) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(run, error))
    if (entry.is_regular_file(error)) files.push_back(fs::relative(entry.path(), run).string());
  std::ranges::sort(files);
  return files;
}

/// The Dag that is named, or the only one with logs.
Result<std::string> dag_of(const fs::path& logs, const std::string& named) {
  const std::vector<std::string> dags = folders_in(logs);
  if (!named.empty()) {
    if (std::ranges::find(dags, named) != dags.end()) return named;
    return Error(ErrorCode::NotFound, fmt::format("there are no logs of a Dag '{}' yet{}", named,
                                                  suggestion(named, dags)));
  }
  if (dags.size() == 1) return dags[0];
  return Error(dags.empty() ? ErrorCode::NotFound : ErrorCode::Invalid,
               dags.empty() ? "nothing has run yet: there are no logs in " + logs.string()
                            : "several Dags have logs; name one" + suggestion("", dags));
}

/// The run whose attempts wrote last. A name says when a run was due, not when it ran.
Result<std::string> latest_run(const fs::path& dag) {
  std::string latest;
  fs::file_time_type latest_at = fs::file_time_type::min();
  std::error_code error;
  for (const std::string& run : folders_in(dag))
    for (const std::string& file : files_of(dag / run)) {
      const auto written = fs::last_write_time(dag / run / file, error);
      if (error || written < latest_at) continue;
      latest = run;
      latest_at = written;
    }
  if (latest.empty())
    return Error(ErrorCode::NotFound, "there are no logs in " + dag.string() + " yet");
  return latest;
}

/// The folder of the run that is named by its id, its date or its time.
Result<std::string> run_of(const Common& common, const fs::path& logs, const std::string& dag,
                           const std::string& named) {
  if (named.empty()) return latest_run(logs / dag);
  std::vector<std::string> runs = folders_in(logs / dag);
  std::string run = named;
  if (std::ranges::find(runs, run) == runs.end())
    // Only the Dag knows when it is due; files with mistakes do not keep the logs back.
    if (const auto project = open_project(common); project.ok()) {
      auto id = run_named(*project, dag, named);
      if (!id.ok() && id.error().code() != ErrorCode::NotFound) return id.error();
      if (id.ok()) run = *std::move(id);
    }
  if (std::ranges::find(runs, run) != runs.end()) return run;
  // Those of the same date, with parameters, are what is meant.
  const auto is_other = [&](const std::string& one) { return !one.starts_with(run + "."); };
  if (!std::ranges::all_of(runs, is_other)) std::erase_if(runs, is_other);
  constexpr std::size_t kMostNamed = 12;
  if (runs.size() > kMostNamed) runs.erase(runs.begin(), runs.end() - kMostNamed);
  return Error(ErrorCode::NotFound, fmt::format("there are no logs of a run '{}' of '{}'{}", run,
                                                dag, suggestion(run, runs)));
}

/// When the attempt began to speak: the time of the first line behind the header, or of the file.
Instant begin_of(const Json& lines, const fs::path& file) {
  if (!lines.as_array().empty()) {
    const std::string& line = lines.as_array().front().as_string();
    if (const auto at = parse_instant(line.substr(0, line.find(' '))); at.ok()) return *at;
  }
  std::error_code error;
  const auto written = fs::last_write_time(file, error);
  return error ? Instant()
               : std::chrono::time_point_cast<Duration>(std::chrono::file_clock::to_sys(written));
}

/// How the attempts of a run ended, by task and attempt as files_of has them. Without a store of
/// runs, or with one that does not open, the logs speak for themselves.
std::map<std::string, orchestration::AttemptRecord> attempts_of(const project::Project& project,
                                                                const std::string& dag,
                                                                const std::string& run) {
  std::map<std::string, orchestration::AttemptRecord> found;
  std::error_code error;
  if (!fs::exists(project.target.metadata, error)) return found;
  const auto database = metadata::open_sqlite_to_read(project.target.metadata);
  if (!database.ok()) return found;
  const auto store = orchestration::RunStore::open(**database);
  if (!store.ok()) return found;
  const orchestration::RunKey key{orchestration::DagId(dag), orchestration::RunId(run)};
  for (auto& attempt : store->attempts(key).value_or({}))
    found[fmt::format("{}/{}.{}.log", attempt.id.task.str(), attempt.generation, attempt.number)] =
        std::move(attempt);
  return found;
}

/// {"run", "task", "attempt", "lines"} for each attempt, in the order in which they began, and
/// "state" and "message" of those that the store of runs knows: "train/1.2.log" is attempt "1.2" of
/// train.
Result<Json> read_logs(const Common& common, const LogsArguments& arguments) {
  const project::Project project = TRY(open_project(common, project::Parts::config()));
  const fs::path logs = fs::path(project.state) / "logs";
  const std::string dag = TRY(dag_of(logs, arguments.dag));
  const std::string run = TRY(run_of(common, logs, dag, arguments.run));
  auto known = attempts_of(project, dag, run);
  std::multimap<Instant, Json> found;  // by when they began
  for (const std::string& file : files_of(logs / dag / run)) {
    const fs::path path(file);
    const std::string task = path.parent_path().string();
    if (!arguments.task.empty() && task != arguments.task) continue;
    Json lines = Json::array();
    std::string text = TRY(read_file((logs / dag / run / path).string()));
    if (!text.empty() && text.back() == '\n') text.pop_back();
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string line = to_utf8(text.substr(at, end - at));
      if (at > 0 || !line.starts_with(kHeader)) lines.push(std::move(line));
      at = end + 1;
    }
    const Instant begin = begin_of(lines, logs / dag / run / path);
    Json attempt = Json::object({{"dag", dag},
                                 {"run", run},
                                 {"task", task},
                                 {"attempt", path.stem().string()},
                                 {"lines", std::move(lines)}});
    if (const auto record = known.find(file); record != known.end())
      attempt.set("state", to_string(record->second.state)).set("message", record->second.message);
    found.emplace(begin, std::move(attempt));
  }
  if (found.empty())
    return Error(ErrorCode::NotFound,
                 fmt::format("the run {} has no logs of the task '{}'{}", run, arguments.task,
                             suggestion(arguments.task, folders_in(logs / dag / run))));
  Json attempts = Json::array();
  for (auto& [begin, attempt] : found) attempts.push(std::move(attempt));
  return attempts;
}

}  // namespace

int logs(const Common& common, const LogsArguments& arguments) {
  const Result<Json> attempts = read_logs(common, arguments);
  if (!attempts.ok()) return fail(common, attempts.error());
  if (common.json) {
    print_json(*attempts);
    return kSuccess;
  }
  for (const Json& attempt : attempts->as_array()) {
    std::printf("==> %s %s/%s\n", attempt.string_or("run", "").c_str(),
                attempt.string_or("task", "").c_str(), attempt.string_or("attempt", "").c_str());
    for (const Json& line : attempt["lines"].as_array())
      std::printf("%s\n", line.as_string().c_str());
    // The attempt itself does not know why.
    if (attempt.string_or("state", "") == "killed")
      std::printf("killed: %s\n", attempt.string_or("message", "").c_str());
  }
  return kSuccess;
}

}  // namespace millrace::cli
