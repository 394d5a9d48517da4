#include "engine/duckdb_session.h"

#include <fmt/core.h>

#include "engine/duckdb_arrow.h"
#include "engine/duckdb_error.h"
#include "engine/duckdb_types.h"
#include "engine/parquet_scan.h"
#include "sql/names.h"
#include "sql/statement_text.h"

namespace millrace::engine {

namespace {

/// "a" BIGINT, "b" VARCHAR
std::string column_list(const columnar::Schema& schema) {
  std::string columns;
  for (const columnar::Field& field : schema.fields()) {
    columns += fmt::format("{}{} {}", columns.empty() ? "" : ", ",
                           sql::quote_identifier(field.name), columnar::to_sql(field.type));
  }
  return columns;
}

}  // namespace

Result<std::unique_ptr<Session>> DuckdbSession::open(std::shared_ptr<const Database> database,
                                                     std::string catalog, bool progress) {
  Connection connection = TRY(Connection::open(database->get()));
  std::unique_ptr<DuckdbSession> session(
      new DuckdbSession(std::move(database), std::move(connection), std::move(catalog)));
  TRY(session->prepare_catalogs());
  if (progress) TRY(session->watch_progress());
  return std::unique_ptr<Session>(std::move(session));
}

Status DuckdbSession::prepare_catalogs() {
  TRY(connection_.run("ATTACH ':memory:' AS " + sql::quote_identifier(catalog_)));
  TRY(connection_.run("ATTACH ':memory:' AS " + sql::quote_identifier(stubs_)));
  return use_data();
}

Status DuckdbSession::watch_progress() {
  // duckdb_query_progress answers only while a progress bar is on; it is never printed.
  TRY(connection_.run("SET enable_progress_bar = true"));
  TRY(connection_.run("SET enable_progress_bar_print = false"));
  return connection_.run("SET progress_bar_time = 0");
}

Status DuckdbSession::use_stubs() {
  return connection_.run(fmt::format("SET search_path = '{}.main,{}.main'", stubs_, catalog_));
}

Status DuckdbSession::use_data() {
  return connection_.run("USE " + sql::quote_identifier(catalog_));
}

DuckdbSession::~DuckdbSession() {
  // Gives back the memory of this session's tables; a failure leaves them to the database's end.
  if (connection_.run("USE memory").ok()) {
    (void)connection_.run("DETACH " + sql::quote_identifier(catalog_));
    (void)connection_.run("DETACH " + sql::quote_identifier(stubs_));
  }
}

void DuckdbSession::begin() {
  ++*calls_;
  connection_.begin_call();
}

Status DuckdbSession::execute(std::string_view sql) {
  begin();
  if (sql.find('\0') != std::string_view::npos) {
    return Error(ErrorCode::Invalid, "the SQL holds a NUL character");
  }
  return connection_.run_cancellable(std::string(sql));
}

Result<std::unique_ptr<columnar::BatchReader>> DuckdbSession::read_current(
    std::unique_ptr<Answer> answer, columnar::Schema schema) {
  return read_answer(std::move(answer), std::move(schema),
                     [calls = calls_, mine = *calls_] { return *calls == mine; });
}

Result<std::unique_ptr<columnar::BatchReader>> DuckdbSession::query(
    std::string_view sql, std::span<const Json> parameters) {
  begin();
  std::string statement(TRY(sql::single_statement(sql)));
  Prepared prepared = TRY(connection_.prepare(statement));
  bool select = duckdb_prepared_statement_type(prepared.get()) == DUCKDB_STATEMENT_TYPE_SELECT;
  std::optional<ResultColumns> known;
  if (select) {
    known = TRY(columns_of(prepared));
    if (known && !known->exact) {
      prepared = TRY(connection_.prepare(cast_to(known->schema, statement)));
    }
  }
  TRY(bind_parameters(prepared, parameters));
  std::unique_ptr<Answer> answer = TRY(connection_.stream(prepared));
  ResultColumns columns = TRY(columns_of(*answer));
  if (!columns.exact && select) {  // the types came with the parameters
    answer.reset();
    prepared = TRY(connection_.prepare(cast_to(columns.schema, statement)));
    TRY(bind_parameters(prepared, parameters));
    answer = TRY(connection_.stream(prepared));
  } else if (!columns.exact) {
    return Error(
        ErrorCode::Unsupported,
        "the answer of this statement has types that no table of the lake holds; ask for it "
        "with a SELECT that casts them");
  }
  return read_current(std::move(answer), std::move(columns.schema));
}

Result<std::string> DuckdbSession::text_answer(const std::string& sql,
                                               std::span<const Json> parameters) {
  Prepared prepared = TRY(connection_.prepare(sql));
  TRY(bind_parameters(prepared, parameters));
  std::unique_ptr<Answer> answer = TRY(connection_.stream(prepared));
  ResultColumns columns = TRY(columns_of(*answer));
  std::unique_ptr<columnar::BatchReader> rows =
      TRY(read_current(std::move(answer), std::move(columns.schema)));
  std::string text;
  while (std::optional<columnar::RecordBatch> batch = TRY(rows->next())) {
    columnar::Column column = batch->column(batch->schema().size() - 1);
    for (std::size_t row = 0; row < batch->row_count(); ++row) text += column.text(row);
  }
  return text;
}

template <typename Work>
Status DuckdbSession::in_transaction(const Work& work) {
  TRY(connection_.run("BEGIN"));
  Status done = work();
  if (done.ok()) return connection_.run("COMMIT");
  (void)connection_.run("ROLLBACK");
  return done;
}

std::string DuckdbSession::in_catalog(const std::string& catalog, const sql::TableName& table) {
  return sql::quote_identifier(catalog) + "." +
         sql::TableName{table.schema.empty() ? "main" : table.schema, table.name}.quoted();
}

Status DuckdbSession::make_schema(const std::string& catalog, const sql::TableName& table) {
  if (table.schema.empty()) return {};
  return connection_.run(fmt::format("CREATE SCHEMA IF NOT EXISTS {}.{}",
                                     sql::quote_identifier(catalog),
                                     sql::quote_identifier(table.schema)));
}

Status DuckdbSession::create(std::string_view kind, const std::string& target,
                             std::string_view definition) {
  std::string sql = fmt::format("CREATE OR REPLACE {} {} {}", kind, target, definition);
  Status created = connection_.run(sql);
  if (created.ok() || created.error().message().find("Existing object") == std::string::npos) {
    return created;
  }
  // A table where a view shall be, or the reverse: DuckDB replaces only like by like, and its
  // failure has ended the transaction.
  TRY(connection_.run("ROLLBACK"));
  TRY(connection_.run("BEGIN"));
  TRY(connection_.run(fmt::format("DROP {} {}", kind == "VIEW" ? "TABLE" : "VIEW", target)));
  return connection_.run(sql);
}

Status DuckdbSession::define(std::string_view kind, const std::string& catalog,
                             const sql::TableName& table, std::string_view definition) {
  TRY(make_schema(catalog, table));
  return in_transaction([&] { return create(kind, in_catalog(catalog, table), definition); });
}

Status DuckdbSession::define_scan(const RelationName& name, const TableScan& scan) {
  begin();
  sql::TableName table = TRY(sql::parse_table_name(name));
  std::string select = TRY_DOING("table " + name, scan_select(scan));
  TRY_DOING("table " + name, define("VIEW", catalog_, table, "AS " + select));
  return define("TABLE", stubs_, table, "(" + column_list(scan.schema) + ")");
}

Status DuckdbSession::define_view(const RelationName& name, std::string_view select) {
  begin();
  sql::TableName table = TRY(sql::parse_table_name(name));
  std::string definition = fmt::format("AS\n{}", TRY(sql::single_statement(select)));
  TRY(define("VIEW", catalog_, table, definition));
  TRY(use_stubs());
  Status stub = define("VIEW", stubs_, table, definition);
  TRY(use_data());
  return stub;
}

Result<std::int64_t> DuckdbSession::load(const RelationName& name, columnar::BatchReader& rows) {
  begin();
  sql::TableName table = TRY(sql::parse_table_name(name));
  std::string columns = column_list(rows.schema());
  if (columns.empty()) return Error(ErrorCode::Invalid, "a table without columns cannot be loaded");
  std::int64_t count = 0;
  TRY(make_schema(catalog_, table));
  TRY(in_transaction([&]() -> Status {
    TRY(create("TABLE", in_catalog(catalog_, table), "(" + columns + ")"));
    count = TRY(append_rows(connection_, catalog_, table.schema.empty() ? "main" : table.schema,
                            table.name, rows));
    return check_not_cancelled(connection_.cancelled());
  }));
  TRY(define("TABLE", stubs_, table, "(" + columns + ")"));
  return count;
}

Status DuckdbSession::drop(const RelationName& name) {
  begin();
  sql::TableName table = TRY(sql::parse_table_name(name));
  (void)drop_from(stubs_, table);  // a relation that execute() made has no stub
  return drop_from(catalog_, table);
}

Status DuckdbSession::drop_from(const std::string& catalog, const sql::TableName& table) {
  std::string target = in_catalog(catalog, table);
  if (connection_.run("DROP VIEW " + target).ok()) return {};
  Status dropped = connection_.run("DROP TABLE " + target);
  if (!dropped.ok() && dropped.error().message().find("does not exist") != std::string::npos) {
    return Error(ErrorCode::NotFound, fmt::format("no relation '{}' to drop", table.text()));
  }
  return dropped;
}

std::optional<double> DuckdbSession::progress() const {
  double percent = duckdb_query_progress(connection_.raw()).percentage;
  if (percent < 0) return std::nullopt;
  return percent >= 100 ? 1.0 : percent / 100;
}

void DuckdbSession::cancel() {
  connection_.cancel();
}

}  // namespace millrace::engine
