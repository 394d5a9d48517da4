#include "engine/duckdb_arrow.h"

#include <algorithm>

#include <fmt/core.h>

#include "engine/arrow_slice.h"
#include "engine/duckdb_error.h"

namespace millrace::engine {

namespace {

using columnar::RecordBatch;
using columnar::Schema;

class AnswerReader final : public columnar::BatchReader {
 public:
  AnswerReader(std::unique_ptr<Answer> answer, Schema schema, std::function<bool()> still_current)
      : answer_(std::move(answer)),
        options_(duckdb_result_get_arrow_options(answer_->get())),
        schema_(std::make_shared<Schema>(std::move(schema))),
        still_current_(std::move(still_current)) {}

  const Schema& schema() const override { return *schema_; }

  Result<std::optional<RecordBatch>> next() override {
    if (!answer_) return std::optional<RecordBatch>();
    INVARIANT(still_current_(), "an answer is read to its end before its session's next call");
    for (;;) {
      Chunk chunk = TRY(answer_->next());
      if (!chunk) {
        answer_.reset();
        return std::optional<RecordBatch>();
      }
      if (duckdb_data_chunk_get_size(chunk.get()) == 0) continue;
      ArrowArray array{};
      TRY(check(ErrorData(duckdb_data_chunk_to_arrow(options_.get(), chunk.get(), &array))));
      return std::optional(TRY(RecordBatch::adopt(schema_, array)));
    }
  }

 private:
  std::unique_ptr<Answer> answer_;
  ArrowOptions options_;
  std::shared_ptr<const Schema> schema_;
  std::function<bool()> still_current_;
};

/// The layout in which DuckDB will give the columns, which its settings change (64-bit offsets,
/// views of strings): read as another one, it would be wrong rows.
Status check_layout(Answer& answer, const Schema& expected) {
  ArrowOptions options(duckdb_result_get_arrow_options(answer.get()));
  std::vector<LogicalType> owners;
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (idx_t i = 0; i < answer.column_count(); ++i) {
    owners.emplace_back(duckdb_column_logical_type(answer.get(), i));
    types.push_back(owners.back().get());
    names.push_back(duckdb_column_name(answer.get(), i));
  }
  ArrowSchema description{};
  Status described = check(ErrorData(duckdb_to_arrow_schema(
      options.get(), types.data(), names.data(), types.size(), &description)));
  Result<Schema> schema = Schema();
  if (described.ok()) schema = columnar::schema_from_arrow(description);
  if (description.release != nullptr) description.release(&description);
  TRY(std::move(described));
  const Schema found = TRY(std::move(schema));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i >= found.size() ||
        columnar::to_sql(found[i].type) != columnar::to_sql(expected[i].type)) {
      return Error(ErrorCode::Internal,
                   fmt::format("column '{}' comes in an Arrow layout that is not its type's",
                               expected[i].name));
    }
  }
  return {};
}

class RowAppender {
 public:
  static Result<RowAppender> open(Connection& connection, const std::string& catalog,
                                  const std::string& schema, const std::string& table,
                                  const Schema& columns) {
    RowAppender appender(connection);
    columnar::ArrowSchemaHolder description(columns);
    TRY(check(ErrorData(
        duckdb_schema_from_arrow(connection.raw(), description.get(), appender.columns_.out()))));
    if (duckdb_appender_create_ext(connection.raw(), catalog.c_str(), schema.c_str(), table.c_str(),
                                   appender.appender_.out()) != DuckDBSuccess) {
      return appender.failure();
    }
    return appender;
  }

  Status append(RecordBatch batch) {
    auto shared = std::make_shared<const RecordBatch>(std::move(batch));
    auto rows = static_cast<std::int64_t>(shared->row_count());
    auto most = static_cast<std::int64_t>(duckdb_vector_size());
    for (std::int64_t first = 0; first < rows; first += most) {
      ArrowArray slice = slice_rows(shared, first, std::min(most, rows - first));
      Chunk chunk;
      Status converted = check(ErrorData(
          duckdb_data_chunk_from_arrow(connection_->raw(), &slice, columns_.get(), chunk.out())));
      if (slice.release != nullptr) slice.release(&slice);
      TRY(std::move(converted));
      if (duckdb_append_data_chunk(appender_.get(), chunk.get()) != DuckDBSuccess) {
        return failure();
      }
    }
    return {};
  }

  Status close() {
    if (duckdb_appender_close(appender_.get()) != DuckDBSuccess) return failure();
    return {};
  }

 private:
  explicit RowAppender(Connection& connection) : connection_(&connection) {}

  Error failure() const {
    ErrorData error(duckdb_appender_error_data(appender_.get()));
    Status status = check(std::move(error));
    if (!status.ok()) return std::move(status).error();
    return {ErrorCode::Internal, "DuckDB's appender failed without a reason"};
  }

  Connection* connection_;
  ConvertedSchema columns_;
  Appender appender_;
};

}  // namespace

Result<std::unique_ptr<columnar::BatchReader>> read_answer(std::unique_ptr<Answer> answer,
                                                           Schema schema,
                                                           std::function<bool()> still_current) {
  TRY(check_layout(*answer, schema));
  return std::unique_ptr<columnar::BatchReader>(std::make_unique<AnswerReader>(
      std::move(answer), std::move(schema), std::move(still_current)));
}

Result<std::int64_t> append_rows(Connection& connection, const std::string& catalog,
                                 const std::string& schema, const std::string& table,
                                 columnar::BatchReader& rows) {
  RowAppender appender = TRY(RowAppender::open(connection, catalog, schema, table, rows.schema()));
  std::int64_t count = 0;
  for (;;) {
    TRY(check_not_cancelled(connection.cancelled()));
    std::optional<RecordBatch> batch = TRY(rows.next());
    if (!batch) break;
    count += static_cast<std::int64_t>(batch->row_count());
    TRY(appender.append(*std::move(batch)));
  }
  TRY(appender.close());
  return count;
}

}  // namespace millrace::engine
