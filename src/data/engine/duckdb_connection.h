#pragma once

// DuckDB's C API with owners: what it makes is destroyed once, what it reports becomes a Result.

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <duckdb.h>

#include "base/json.h"
#include "base/result.h"

namespace millrace::engine {

/// Owns one object of the C API.
template <typename T, auto kDestroy>
class Owned {
 public:
  Owned() = default;
  explicit Owned(T value) : value_(value) {}
  Owned(Owned&& other) noexcept : value_(std::exchange(other.value_, T{})) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Owned() {
    if (value_ != T{}) kDestroy(&value_);
  }

  T get() const { return value_; }
  /// For the API to fill. Precondition: empty.
  T* out() { return &value_; }
  explicit operator bool() const { return value_ != T{}; }

 private:
  T value_{};
};

using Database = Owned<duckdb_database, duckdb_close>;
using RawConnection = Owned<duckdb_connection, duckdb_disconnect>;
using Config = Owned<duckdb_config, duckdb_destroy_config>;
using Prepared = Owned<duckdb_prepared_statement, duckdb_destroy_prepare>;
using Pending = Owned<duckdb_pending_result, duckdb_destroy_pending>;
using Extracted = Owned<duckdb_extracted_statements, duckdb_destroy_extracted>;
using Chunk = Owned<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using LogicalType = Owned<duckdb_logical_type, duckdb_destroy_logical_type>;
using ArrowOptions = Owned<duckdb_arrow_options, duckdb_destroy_arrow_options>;
using ConvertedSchema = Owned<duckdb_arrow_converted_schema, duckdb_destroy_arrow_converted_schema>;
using Appender = Owned<duckdb_appender, duckdb_appender_destroy>;
using ErrorData = Owned<duckdb_error_data, duckdb_destroy_error_data>;

/// Text that the API allocated.
std::string take_text(char* text);

/// Ok, or what the API reports.
Status check(ErrorData error);

/// Whether the call of a session that runs now shall end; shared by all that works for it.
using CancelFlag = std::shared_ptr<const std::atomic<bool>>;

/// Ok, or Cancelled.
Status check_not_cancelled(const CancelFlag& cancelled);

/// The answer of a statement; destroyed with the object.
class Answer {
 public:
  Answer() = default;
  explicit Answer(CancelFlag cancelled) : cancelled_(std::move(cancelled)) {}
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  ~Answer() { duckdb_destroy_result(&result_); }

  duckdb_result* get() { return &result_; }
  std::size_t column_count() { return duckdb_column_count(&result_); }
  /// The next rows, or nothing at the end.
  Result<Chunk> next();

 private:
  duckdb_result result_{};
  CancelFlag cancelled_;
};

/// One connection, used by one thread at a time.
class Connection {
 public:
  static Result<Connection> open(duckdb_database database);

  duckdb_connection raw() const { return connection_.get(); }

  /// Runs the statements and drops their answers. For short ones of our own: what cleans up after a
  /// call runs also when the call is cancelled.
  Status run(const std::string& sql);
  /// The same for statements that may take long. Errors: also Cancelled.
  Status run_cancellable(const std::string& sql);
  /// Prepares a text that holds one statement. What DuckDB makes of it before (a PIVOT without
  /// values runs a query that finds them) is run.
  Result<Prepared> prepare(const std::string& sql);
  /// Runs; rows come as they are made, not all at once. Precondition: parameters are bound. Errors:
  /// also Cancelled.
  Result<std::unique_ptr<Answer>> stream(const Prepared& statement);

  /// A call begins, which cancel() may end.
  void begin_call() { *cancelled_ = false; }
  /// Ends the call that runs now: the statement that is running, and each that would follow. From
  /// any thread.
  void cancel();
  CancelFlag cancelled() const { return cancelled_; }

 private:
  explicit Connection(RawConnection connection) : connection_(std::move(connection)) {}
  Result<Prepared> prepare_one(const Extracted& statements, idx_t index);

  RawConnection connection_;
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

/// Binds $1, $2 ... Errors: Invalid when their number differs, or for an array or object.
Status bind_parameters(const Prepared& statement, std::span<const Json> parameters);

}  // namespace millrace::engine
