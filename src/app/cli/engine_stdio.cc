// `millrace engine --stdio`: one session of the embedded engine over a pipe.
// docs/formats/engine_stdio.md.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>

#include "cli/lake_session.h"
#include "cli/verbs.h"
#include "columnar/arrow_ipc.h"
#include "engine/engine.h"
#include "project/project.h"
#include "tasks/share.h"

namespace millrace::cli {
namespace {

constexpr std::size_t kLargestRequest = 16U << 20U;
constexpr std::size_t kMostRows = 10'000;
/// A part of an answer has at least as much, where there is as much: a batch of the engine's is small.
constexpr std::size_t kPart = 512U << 10U;

void write_line(const Json& line) {
  std::cout << line.dump() << '\n' << std::flush;
}

void write_part(std::string_view bytes) {
  std::cout << Json::object({{"bytes", bytes.size()}}).dump() << '\n' << bytes << std::flush;
}

Json failure(const Error& error) {
  return Json::object(
      {{"error", Json::object({{"code", to_string(error.code())}, {"message", error.message()}})}});
}

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

/// The Arrow stream that a client puts, out of the parts in which it comes.
class PutStream {
 public:
  explicit PutStream(std::streambuf& in) : in_(in) {}

  Result<std::size_t> read(std::span<char> into) {
    while (left_ == 0) {
      if (at_end_) return 0;
      TRY(begin_part());
    }
    const auto most = std::min(static_cast<std::int64_t>(into.size()), left_);
    const std::streamsize got = in_.sgetn(into.data(), most);
    if (got == 0) return input_ended();
    left_ -= got;
    return static_cast<std::size_t>(got);
  }

  /// Drops what the client still sends, so that its next request is found. False when nothing says
  /// where that begins.
  bool find_end() {
    std::vector<char> dropped(64U << 10U);
    while (!at_end_ && !is_lost_) static_cast<void>(read(dropped));
    return !is_lost_;
  }

 private:
  Status begin_part() {
    const std::optional<std::string> line = read_line(in_);
    if (!line.has_value()) return input_ended();
    const Json head = Json::parse(*line).value_or(Json());
    at_end_ = head.contains("end") || head.contains("give_up");
    if (head.contains("give_up"))
      return Error(ErrorCode::Cancelled, "the client gave up what it put");
    if (at_end_) return {};
    left_ = head.integer_or("bytes", -1);
    if (left_ >= 0) return {};
    is_lost_ = true;
    return Error(ErrorCode::Invalid,
                 "expected a part of what is put, {\"bytes\": 123}, or its {\"end\": true}");
  }

  Error input_ended() {
    is_lost_ = true;
    return {ErrorCode::Cancelled, "the input ended within what was put"};
  }

  std::streambuf& in_;
  std::int64_t left_ = 0;  // of the part that has begun
  bool at_end_ = false;
  bool is_lost_ = false;  // what comes has no meaning
};

/// The requests of one client, one after the other.
class Conversation {
 public:
  Conversation(engine::Session& session, std::streambuf& in) : session_(session), in_(in) {}

  /// To the end of the input.
  void hold() {
    while (!is_lost_) {
      const std::optional<std::string> line = read_line(in_);
      if (!line.has_value()) return;
      const Status answered = answer(*line);
      if (!answered.ok()) write_line(failure(answered.error()));
    }
  }

 private:
  Status answer(const std::string& line) {
    if (line.size() > kLargestRequest)
      return Error(ErrorCode::Invalid,
                   "the request is larger than 16 MiB; put what is large into a file, and read "
                   "that, or put it in as a table");
    const Json request = TRY(Json::parse(line));
    if (request.contains("next")) return next();
    rows_.reset();  // an answer ends with the next request
    if (request.contains("execute")) {
      TRY(session_.execute(TRY(request.string_at("execute"))));
      write_line(Json::object({{"ok", true}}));
      return {};
    }
    if (request.contains("stream")) return stream(TRY(request.string_at("stream")));
    if (request.contains("put")) return put(TRY(request.string_at("put")));
    const auto batches = TRY(session_.collect(TRY(request.string_at("query")), kMostRows));
    write_line(Json::object({{"rows", rows_to_json(batches, kMostRows)}}));
    return {};
  }

  Status stream(const std::string& sql) {
    rows_ = TRY(session_.query(sql));
    count_ = 0;
    write_part(columnar::ipc_schema_message(rows_->schema()));
    return {};
  }

  Status next() {
    if (rows_ == nullptr)
      return Error(ErrorCode::Invalid, "no answer is being read: it ended, or was not asked for");
    std::string part;
    while (part.size() < kPart) {
      Result<std::optional<columnar::RecordBatch>> batch = rows_->next();
      if (!batch.ok()) rows_.reset();
      const std::optional<columnar::RecordBatch> rows = TRY(std::move(batch));
      if (!rows.has_value()) break;
      count_ += static_cast<std::int64_t>(rows->row_count());
      part += columnar::ipc_batch_message(*rows);
    }
    if (!part.empty()) {
      write_part(part);
      return {};
    }
    rows_.reset();
    write_line(Json::object({{"end", true}, {"rows", count_}}));
    return {};
  }

  Status put(const std::string& name) {
    PutStream stream(in_);
    const Result<std::int64_t> loaded = load(name, stream);
    // A failure is told at once: a client that looks need not send the rest.
    if (!loaded.ok()) write_line(failure(loaded.error()));
    is_lost_ = !stream.find_end();
    if (loaded.ok()) write_line(Json::object({{"ok", true}, {"rows", *loaded}}));
    return {};
  }

  Result<std::int64_t> load(const std::string& name, PutStream& stream) {
    const auto rows = TRY_DOING(
        "table " + name,
        columnar::read_ipc_stream([&](std::span<char> into) { return stream.read(into); }));
    return TRY_DOING("table " + name, session_.load(name, *rows));
  }

  engine::Session& session_;
  std::streambuf& in_;
  std::unique_ptr<columnar::BatchReader> rows_;  // of the answer that is being read
  std::int64_t count_ = 0;
  bool is_lost_ = false;
};

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
  write_line(Json::object({{"millrace_engine", 2}, {"engine", (*engine)->version()}}));
  Conversation(**session, *std::cin.rdbuf()).hold();
  return kSuccess;
}

}  // namespace millrace::cli
