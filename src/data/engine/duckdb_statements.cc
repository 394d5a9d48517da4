// What a statement is, before or instead of running it: its tree, its bound plan, its explanation.

#include <algorithm>

#include <fmt/core.h>

#include "engine/duckdb_arrow.h"
#include "engine/duckdb_error.h"
#include "engine/duckdb_session.h"
#include "engine/duckdb_types.h"
#include "engine/explain_text.h"
#include "engine/syntax_tree.h"
#include "sql/statement_text.h"

namespace millrace::engine {

namespace {

/// DuckDB itself stops at 1,000 nested expressions.
constexpr std::size_t kDeepestPlan = 5000;

/// JSON of DuckDB's own making.
Result<Json> read_json(const std::string& text) {
  Result<Json> json = Json::parse(text, kDeepestPlan);
  if (json.ok()) return json;
  return Error(ErrorCode::Internal,
               "DuckDB's description of a statement: " + json.error().message());
}

/// The failure inside {"error": true, ...}: the message, the line it is about, and a caret.
Error described_failure(const Json& answer, std::string_view sql) {
  std::string kind = answer.string_or("error_type", "invalid input");
  std::string message = answer.string_or("error_message", "the statement cannot be described");
  if (kind == "not implemented") return {ErrorCode::Unsupported, message};
  std::string position = answer.string_or("position", "");
  std::size_t at = position.empty() ? std::string_view::npos : std::stoul(position);
  if (at > sql.size()) return {ErrorCode::Invalid, fmt::format("{} error: {}", kind, message)};
  std::size_t start = sql.rfind('\n', at == 0 ? 0 : at - 1);
  start = start == std::string_view::npos || at == 0 ? 0 : start + 1;
  auto line = 1 + std::count(sql.begin(), sql.begin() + static_cast<std::ptrdiff_t>(start), '\n');
  std::string prefix = fmt::format("LINE {}: ", line);
  return {ErrorCode::Invalid, fmt::format("{} error: {}\n\n{}{}\n{}^", kind, message, prefix,
                                          sql.substr(start, sql.find('\n', start) - start),
                                          std::string(prefix.size() + at - start, ' '))};
}

/// A count of changed rows is no answer of the statement's own.
bool gives_rows(const Prepared& statement, const columnar::Schema& schema) {
  switch (duckdb_prepared_statement_type(statement.get())) {
    case DUCKDB_STATEMENT_TYPE_SELECT:
    case DUCKDB_STATEMENT_TYPE_EXPLAIN:
    case DUCKDB_STATEMENT_TYPE_CALL:
    case DUCKDB_STATEMENT_TYPE_PRAGMA:
    case DUCKDB_STATEMENT_TYPE_EXECUTE:
      return true;
    default:
      return schema.size() != 1 || (schema[0].name != "Count" && schema[0].name != "Success");
  }
}

}  // namespace

Result<BoundStatement> DuckdbSession::bind(std::string_view sql) {
  begin();
  std::string statement(TRY(sql::single_statement(sql)));
  TRY(use_stubs());
  Result<BoundStatement> bound = bind_to_stubs(statement);
  TRY(use_data());
  return bound;
}

Result<BoundStatement> DuckdbSession::bind_to_stubs(const std::string& statement) {
  BoundStatement bound;
  Prepared prepared = TRY(connection_.prepare(statement));
  std::optional<ResultColumns> columns = TRY(columns_of(prepared));
  if (!columns) {
    return Error(ErrorCode::Invalid,
                 "the types of the answer depend on the statement's parameters; cast them "
                 "($1::INTEGER)");
  }
  if (gives_rows(prepared, columns->schema)) bound.result = std::move(columns->schema);
  const Json parameters[] = {statement};
  Json answer =
      TRY(read_json(TRY(text_answer("SELECT json_serialize_plan($1::VARCHAR, optimize := false, "
                                    "skip_null := true, skip_empty := true)",
                                    parameters))));
  if (answer.bool_or("error", true)) return described_failure(answer, statement);
  bound.plan = answer["plans"];
  return bound;
}

Result<Json> DuckdbSession::parse(std::string_view select) {
  begin();
  std::string statement(TRY(sql::single_statement(select)));
  const Json parameters[] = {statement};
  std::string text = TRY(text_answer("SELECT json_serialize_sql($1::VARCHAR)", parameters));
  Json tree = TRY(read_json(mark_unsigned(text)));
  if (tree.bool_or("error", true)) return described_failure(tree, statement);
  return tree;
}

Result<std::string> DuckdbSession::unparse(const Json& tree) {
  begin();
  const Json parameters[] = {unmark_unsigned(tree.dump())};
  return text_answer("SELECT json_deserialize_sql($1::JSON)", parameters);
}

Result<std::string> DuckdbSession::explain(std::string_view sql, Plan plan) {
  begin();
  std::string_view statement = TRY(sql::single_statement(sql));
  const std::string_view measured = plan == Plan::Measured ? "ANALYZE, " : "";
  std::string text =
      TRY(text_answer(fmt::format("EXPLAIN ({}FORMAT JSON)\n{}", measured, statement), {}));
  return explain_text(TRY(read_json(text)));
}

}  // namespace millrace::engine
