#include "metadata/database.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/hash.h"
#include "metadata/sql_script.h"

namespace millrace::metadata {
namespace {

struct Step {
  int number = 0;
  std::vector<std::string> statements;
  std::string digest;
};

bool is_room_name(std::string_view room) {
  return !room.empty() &&
         std::ranges::all_of(room, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

std::vector<Step> steps_of(std::span<const Migration> migrations) {
  std::vector<Step> steps;
  steps.reserve(migrations.size());
  for (const Migration& migration : migrations) {
    INVARIANT(migration.number == static_cast<int>(steps.size()) + 1,
              "migrations are numbered 1, 2, 3 ... without a gap");
    Step step{migration.number, split_statements(migration.sql), ""};
    Sha256 digest;
    for (const std::string& statement : step.statements) digest.update(statement).update(";");
    step.digest = digest.hex();
    steps.push_back(std::move(step));
  }
  return steps;
}

Error not_ours(std::string_view room, std::string_view why) {
  return Error(ErrorCode::Unsupported,
               fmt::format("the tables of '{}' {}; use the Millrace that made them, or a newer one",
                           room, why));
}

/// How many of the steps the database has. Errors: Unsupported.
Result<std::size_t> applied_steps(Transaction& transaction, std::string_view room,
                                  std::span<const Step> steps) {
  const Rows applied =
      TRY(transaction.query("SELECT number, digest FROM metadata_migrations WHERE room = $1 "
                            "ORDER BY number",
                            {std::string(room)}));
  if (applied.size() > steps.size())
    return not_ours(room, fmt::format("are at step {}, and this Millrace knows {}", applied.size(),
                                      steps.size()));
  for (std::size_t i = 0; i < applied.size(); ++i)
    if (applied.integer(i, 0) != steps[i].number || applied.text(i, 1) != steps[i].digest)
      return not_ours(room, fmt::format("were made by another text of step {}", i + 1));
  return applied.size();
}

Status apply(Transaction& transaction, std::string_view room, const Step& step) {
  for (const std::string& statement : step.statements) TRY(transaction.query(statement));
  TRY(transaction.query(
      "INSERT INTO metadata_migrations (room, number, digest) VALUES ($1, $2, $3)",
      {std::string(room), std::int64_t{step.number}, step.digest}));
  return {};
}

[[noreturn]] void wrong_type(const std::string& column, std::string_view expected) {
  invariant_failed(fmt::format("column '{}' holds {}", column, expected).c_str(),
                   "the query and its reader agree", std::source_location::current());
}

}  // namespace

Status Database::migrate(std::string_view room, std::span<const Migration> migrations) {
  INVARIANT(is_room_name(room), "a room's name is [a-z_]+");
  const std::vector<Step> steps = steps_of(migrations);
  std::size_t there = 0;
  TRY(read([&](Transaction& transaction) -> Status {
    there = TRY(applied_steps(transaction, room, steps));
    return {};
  }));
  if (there == steps.size()) return {};
  return write([&](Transaction& transaction) -> Status {
    for (std::size_t i = TRY(applied_steps(transaction, room, steps)); i < steps.size(); ++i)
      TRY_DOING(fmt::format("making the tables of '{}', step {}", room, steps[i].number),
                apply(transaction, room, steps[i]));
    return {};
  });
}

bool Rows::is_null(std::size_t row, std::size_t column) const {
  return std::holds_alternative<std::nullptr_t>(rows_.at(row).at(column));
}

std::int64_t Rows::integer(std::size_t row, std::size_t column) const {
  const Value& value = rows_.at(row).at(column);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (std::holds_alternative<std::nullptr_t>(value)) return 0;
  wrong_type(columns_.at(column), "an integer");
}

double Rows::number(std::size_t row, std::size_t column) const {
  const Value& value = rows_.at(row).at(column);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (std::holds_alternative<std::nullptr_t>(value)) return 0;
  wrong_type(columns_.at(column), "a number");
}

const std::string& Rows::text(std::size_t row, std::size_t column) const {
  static const std::string none;
  const Value& value = rows_.at(row).at(column);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (std::holds_alternative<std::nullptr_t>(value)) return none;
  wrong_type(columns_.at(column), "text");
}

}  // namespace millrace::metadata
