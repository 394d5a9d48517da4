#include "door/session.h"

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <mutex>

#include "columnar/arrow_ipc.h"
#include "door/batch_access.h"
#include "door/engine_client.h"

namespace millrace {
namespace door {

std::string find_millrace() {
  if (const char* named = std::getenv("MILLRACE"); named != nullptr && *named != '\0') return named;
  std::error_code error;
  const auto beside =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "millrace";
  if (!error && std::filesystem::exists(beside, error)) return beside.string();
  return "millrace";
}

struct Session::State {
  std::string millrace;
  std::vector<std::string> options;
  std::recursive_mutex mutex;  // also what gives the rows of a write may call, and is told off
  bool is_writing = false;
  std::optional<EngineClient> client;

  /// Precondition: the mutex is held.
  Result<EngineClient*> engine() {
    if (is_writing)
      return Error(ErrorCode::Invalid,
                   "this session is taking rows in, so what gives them cannot ask it; within a "
                   "session CREATE TABLE ... AS SELECT copies rows");
    if (!client.has_value()) client.emplace(TRY(EngineClient::start(millrace, options)));
    return &*client;
  }
};

Session::Session(std::string millrace, std::vector<std::string> options)
    : state_(std::make_shared<State>()) {
  state_->millrace = std::move(millrace);
  state_->options = std::move(options);
}

Session::~Session() = default;

Status Session::start() {
  const std::lock_guard lock(state_->mutex);
  TRY(state_->engine());
  return {};
}

Result<> Session::execute(std::string_view sql) {
  const std::lock_guard lock(state_->mutex);
  return TRY(state_->engine())->execute(sql);
}

Result<Json> Session::rows(std::string_view sql) {
  const std::lock_guard lock(state_->mutex);
  return TRY(state_->engine())->rows(sql);
}

Result<Batches> Session::query(std::string_view sql) {
  const std::lock_guard lock(state_->mutex);
  std::shared_ptr<columnar::BatchReader> answer = TRY(TRY(state_->engine())->query(sql));
  return Batches([answer = std::move(answer), state = state_]() -> Result<std::optional<Batch>> {
    const std::lock_guard turn(state->mutex);
    TRY(state->engine());
    const std::optional<columnar::RecordBatch> batch = TRY(answer->next());
    if (!batch.has_value()) return std::optional<Batch>();
    return std::optional(BatchAccess::copy(*batch));
  });
}

namespace {

/// A program's batches as the messages of one stream.
class Messages {
 public:
  explicit Messages(Batches& rows) : rows_(rows) {}

  Result<std::optional<std::string>> next() {
    const std::optional<Batch> batch = TRY(next_batch());
    if (!batch.has_value() && schema_.has_value()) return std::optional<std::string>();
    if (!batch.has_value() || batch->column_count() == 0)
      return Error(ErrorCode::Invalid,
                   "there is no batch that says the columns; give at least "
                   "one, if need be without rows");
    columnar::Schema schema = BatchAccess::schema_of(*batch);
    std::string bytes;
    if (!schema_.has_value()) {
      bytes = columnar::ipc_schema_message(schema);
      schema_ = std::move(schema);
    } else if (schema != *schema_) {
      return Error(ErrorCode::Invalid,
                   "a batch has other columns than the first one: the same "
                   "names and types in the same order are needed");
    }
    bytes += columnar::ipc_batch_message(TRY(BatchAccess::lend(*batch)));
    return std::optional(std::move(bytes));
  }

  /// What the program threw while it was asked for a batch is thrown on, once the engine knows.
  void throw_on() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  Result<std::optional<Batch>> next_batch() {
    try {
      return rows_.next();
    } catch (...) {
      thrown_ = std::current_exception();
      return Error(ErrorCode::Internal, "what gives the rows threw an exception");
    }
  }

  Batches& rows_;
  std::optional<columnar::Schema> schema_;
  std::exception_ptr thrown_;
};

}  // namespace

Result<std::int64_t> Session::write(std::string_view name, Batches rows) {
  Messages messages(rows);
  const std::lock_guard lock(state_->mutex);
  EngineClient* engine = TRY(state_->engine());
  state_->is_writing = true;
  auto written = engine->put(name, [&messages] { return messages.next(); });
  state_->is_writing = false;
  messages.throw_on();
  return written;
}

}  // namespace door

Result<std::unique_ptr<Tables>> open_session(const SessionOptions& options) {
  std::vector<std::string> words = {"--threads", std::to_string(options.threads), "--memory-bytes",
                                    std::to_string(options.memory_bytes)};
  if (!options.project.empty()) words.insert(words.end(), {"--project", options.project});
  auto session = std::make_unique<door::Session>(door::find_millrace(), std::move(words));
  TRY(session->start());
  return std::unique_ptr<Tables>(std::move(session));
}

}  // namespace millrace
