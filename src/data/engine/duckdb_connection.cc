#include "engine/duckdb_connection.h"

#include <chrono>
#include <thread>

#include <fmt/core.h>

#include "engine/duckdb_error.h"

namespace millrace::engine {

std::string take_text(char* text) {
  std::string taken = text == nullptr ? "" : text;
  duckdb_free(text);
  return taken;
}

Status check(ErrorData error) {
  if (!error || !duckdb_error_data_has_error(error.get())) return {};
  return duckdb_failure(duckdb_error_data_message(error.get()));
}

Status check_not_cancelled(const CancelFlag& cancelled) {
  if (cancelled == nullptr || !*cancelled) return {};
  return Error(ErrorCode::Cancelled, "the statement was cancelled");
}

Result<Chunk> Answer::next() {
  TRY(check_not_cancelled(cancelled_));
  Chunk chunk(duckdb_fetch_chunk(result_));
  if (chunk) return chunk;
  const char* error = duckdb_result_error(&result_);
  if (error != nullptr && *error != '\0') return duckdb_failure(error);
  return chunk;
}

namespace {

/// Splits a text into its statements; returns how many, at least one.
Result<idx_t> extract(duckdb_connection connection, const std::string& sql, Extracted& statements) {
  const idx_t count = duckdb_extract_statements(connection, sql.c_str(), statements.out());
  if (count > 0) return count;
  const char* error = duckdb_extract_statements_error(statements.get());
  return duckdb_failure(error == nullptr ? "Parser Error: the SQL holds no statement" : error);
}

}  // namespace

Result<Connection> Connection::open(duckdb_database database) {
  RawConnection connection;
  if (duckdb_connect(database, connection.out()) != DuckDBSuccess) {
    return Error(ErrorCode::Unavailable, "DuckDB makes no further connection");
  }
  return Connection(std::move(connection));
}

Status Connection::run(const std::string& sql) {
  Answer answer;
  if (duckdb_query(raw(), sql.c_str(), answer.get()) != DuckDBSuccess) {
    return duckdb_failure(duckdb_result_error(answer.get()));
  }
  return {};
}

Status Connection::run_cancellable(const std::string& sql) {
  Extracted statements;
  const idx_t count = TRY(extract(raw(), sql, statements));
  for (idx_t i = 0; i < count; ++i) {
    const std::unique_ptr<Answer> answer = TRY(stream(TRY(prepare_one(statements, i))));
    while (TRY(answer->next())) {
    }
  }
  return {};
}

Result<Prepared> Connection::prepare(const std::string& sql) {
  Extracted statements;
  const idx_t count = TRY(extract(raw(), sql, statements));
  for (idx_t i = 0; i + 1 < count; ++i) TRY(stream(TRY(prepare_one(statements, i))));
  return prepare_one(statements, count - 1);
}

Result<Prepared> Connection::prepare_one(const Extracted& statements, idx_t index) {
  TRY(check_not_cancelled(cancelled_));
  Prepared prepared;
  if (duckdb_prepare_extracted_statement(raw(), statements.get(), index, prepared.out()) !=
      DuckDBSuccess) {
    return duckdb_failure(duckdb_prepare_error(prepared.get()));
  }
  return prepared;
}

namespace {

/// Works on the statement's tasks until its answer can begin or an error ends it, as duckdb_execute_pending does; but
/// that one spins while only other threads have tasks left.
Status work_until_ready(const Pending& pending) {
  constexpr std::chrono::microseconds kPause{100};
  for (;;) {
    switch (duckdb_pending_execute_task(pending.get())) {
      case DUCKDB_PENDING_RESULT_READY:
        return {};
      case DUCKDB_PENDING_ERROR:
        return duckdb_failure(duckdb_pending_error(pending.get()));
      case DUCKDB_PENDING_RESULT_NOT_READY:
        break;
      case DUCKDB_PENDING_NO_TASKS_AVAILABLE:
        std::this_thread::sleep_for(kPause);
    }
  }
}

}  // namespace

Result<std::unique_ptr<Answer>> Connection::stream(const Prepared& statement) {
  // In two steps, since DuckDB forgets an interrupt when a statement begins, which it does in the
  // first: a cancel before it is seen by us, a later one by DuckDB.
  // Deprecated, and in 1.5 the C API's only way to an answer that is not first kept whole.
  Pending pending;
  if (duckdb_pending_prepared_streaming(statement.get(), pending.out()) != DuckDBSuccess) {
    return duckdb_failure(duckdb_pending_error(pending.get()));
  }
  TRY(check_not_cancelled(cancelled_));
  TRY(work_until_ready(pending));
  auto answer = std::make_unique<Answer>(cancelled_);
  if (duckdb_execute_pending(pending.get(), answer->get()) != DuckDBSuccess) {
    return duckdb_failure(duckdb_result_error(answer->get()));
  }
  return answer;
}

void Connection::cancel() {
  *cancelled_ = true;
  duckdb_interrupt(raw());
}

namespace {

duckdb_state bind_one(duckdb_prepared_statement statement, idx_t index, const Json& value) {
  if (value.is_null()) return duckdb_bind_null(statement, index);
  if (value.is_bool()) return duckdb_bind_boolean(statement, index, value.as_bool());
  if (value.is_integer()) return duckdb_bind_int64(statement, index, value.as_integer());
  if (value.is_number()) return duckdb_bind_double(statement, index, value.as_double());
  if (value.is_string()) {
    const std::string& text = value.as_string();
    return duckdb_bind_varchar_length(statement, index, text.data(), text.size());
  }
  return DuckDBError;
}

}  // namespace

Status bind_parameters(const Prepared& statement, std::span<const Json> parameters) {
  idx_t expected = duckdb_nparams(statement.get());
  if (expected != parameters.size()) {
    return Error(
        ErrorCode::Invalid,
        fmt::format("the statement has {} parameters ($1, $2 ...), but {} values were given",
                    expected, parameters.size()));
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (bind_one(statement.get(), i + 1, parameters[i]) != DuckDBSuccess) {
      return Error(ErrorCode::Invalid,
                   fmt::format("parameter ${} is {}: only null, boolean, number and text can be "
                               "passed; a list may travel as JSON text",
                               i + 1, parameters[i].type_name()));
    }
  }
  return {};
}

}  // namespace millrace::engine
