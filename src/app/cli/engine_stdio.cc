// `millrace engine --stdio`: one session of the embedded engine over a pipe.
// docs/formats/engine_stdio.md.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>

#include "cli/lake_session.h"
#include "cli/verbs.h"
#include "engine/engine.h"
#include "project/project.h"
#include "tasks/share.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kLargestRequest = 16U << 20U;
constexpr std::size_t kMostRows = 10'000;

/// The next line, without its newline; none at the end of the input. One that is too long is read to
/// its end and not kept: its bytes beyond the limit are dropped as they come.
std::optional<std::string> read_line(std::streambuf& in) {
  std::string line;
  constexpr int end = std::char_traits<char>::eof();
  int byte = in.sbumpc();
  if (byte == end) return std::nullopt;
  for (; byte != end && byte != '\n'; byte = in.sbumpc())
    if (line.size() <= kLargestRequest) line += static_cast<char>(byte);
  return line;
}

Result<Json> answer(engine::Session& session, const std::string& line) {
  if (line.size() > kLargestRequest)
    return Error(ErrorCode::Invalid,
                 "the request is larger than 16 MiB; put what is large into a file, and read that");
  const Json request = TRY(Json::parse(line));
  if (request.contains("execute")) {
    TRY(session.execute(TRY(request.string_at("execute"))));
    return Json::object({{"ok", true}});
  }
  const auto batches = TRY(session.collect(TRY(request.string_at("query")), kMostRows));
  return Json::object({{"rows", rows_to_json(batches, kMostRows)}});
}

void write_line(const Json& line) {
  std::cout << line.dump() << '\n' << std::flush;
}

Json failure(const Error& error) {
  return Json::object(
      {{"error", Json::object({{"code", to_string(error.code())}, {"message", error.message()}})}});
}

/// As an attempt of a built-in task opens it.
Result<std::unique_ptr<engine::Engine>> open_engine(const EngineArguments& arguments) {
  const orchestration::Resources task{arguments.threads, arguments.memory_bytes};
  project::Target target;
  std::string spill;
  std::error_code error;
  if (!arguments.project.empty()) spill = arguments.project + "/.millrace/spill";
  // A program that runs by itself has a folder, and no millrace.yml in it.
  if (!arguments.project.empty() &&
      std::filesystem::exists(arguments.project + "/millrace.yml", error)) {
    auto loaded =
        TRY(project::load_project(arguments.project, arguments.target, project::Parts::config()));
    const project::Project project = TRY(project::whole(std::move(loaded)));
    target = project.target;
    spill = project.state + "/spill";
  }
  const tasks::Share share = tasks::share_of(task, target);
  return engine::open_duckdb({.threads = share.threads,
                              .memory_bytes = share.engine_bytes,
                              .spill_folder = std::move(spill)});
}

}  // namespace

int engine_stdio(const EngineArguments& arguments) {
  const auto engine = open_engine(arguments);
  if (!engine.ok()) {
    write_line(failure(engine.error()));
    return kUnavailable;
  }
  const auto session = (*engine)->open_session();
  if (!session.ok()) {
    write_line(failure(session.error()));
    return kUnavailable;
  }
  write_line(Json::object({{"millrace_engine", 1}, {"engine", (*engine)->version()}}));
  while (const std::optional<std::string> line = read_line(*std::cin.rdbuf())) {
    const Result<Json> given = answer(**session, *line);
    write_line(given.ok() ? *given : failure(given.error()));
  }
  return kSuccess;
}

}  // namespace millrace::cli
