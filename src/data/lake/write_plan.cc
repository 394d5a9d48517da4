#include "lake/write_plan.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/core.h>

#include "base/id.h"
#include "base/suggest.h"
#include "base/text.h"
#include "lake/protocol.h"
#include "lake/schema_json.h"
#include "sql/names.h"
#include "sql/statement_text.h"

namespace millrace::lake {

namespace {

using columnar::DataType;
using columnar::Field;
using columnar::Kind;
using columnar::Schema;

Error invalid(std::string message) {
  return {ErrorCode::Invalid, std::move(message)};
}

Status check_names(const std::vector<Field>& fields) {
  std::set<std::string> seen;
  for (const Field& field : fields) {
    const std::size_t at = forbidden_in_name(field.name);
    if (field.name.empty()) return invalid("a column has no name; give it one with AS");
    if (at != std::string::npos) {
      return invalid(
          fmt::format("column '{}': a Delta table's column cannot hold '{}' in its name; "
                      "rename it with AS",
                      field.name, field.name[at]));
    }
    if (!seen.insert(fold_case(field.name)).second) {
      return invalid(fmt::format("two columns are called '{}'; rename one with AS", field.name));
    }
    if (field.type.kind == Kind::Struct) {
      TRY_DOING(fmt::format("column '{}'", field.name), check_names(field.type.children));
    }
  }
  return {};
}

/// The names as the schema spells them.
Result<std::vector<std::string>> spelled(const std::vector<std::string>& names,
                                         const Schema& schema) {
  std::vector<std::string> found;
  for (const std::string& name : names) {
    const std::optional<std::size_t> column = schema.index_of(name);
    if (!column) {
      return invalid(fmt::format("partition column '{}' is not among the columns{}", name,
                                 suggestion(name, schema.names())));
    }
    found.push_back(schema[*column].name);
  }
  return found;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "no column" : text;
}

/// Integers have so many decimal digits at most.
int digits_of(Kind kind) {
  switch (kind) {
    case Kind::Int8:
      return 3;
    case Kind::Int16:
      return 5;
    case Kind::Int32:
      return 10;
    default:
      return 19;
  }
}

bool fits_decimal(const DataType& from, const DataType& into) {
  const int whole = into.precision - into.scale;
  if (from.is_integer()) return whole >= digits_of(from.kind);
  return from.kind == Kind::Decimal && into.scale >= from.scale &&
         whole >= from.precision - from.scale;
}

std::string misfit_of(const Field& column, const Field& row) {
  return fmt::format("column '{}' is {} in the table and {} in the rows", column.name,
                     columnar::to_sql(column.type), columnar::to_sql(row.type));
}

/// The table's columns and the rows' together. Every column of the rows must fit.
Result<std::vector<Field>> new_columns(const Schema& table, const Schema& rows,
                                       SchemaChange change) {
  std::vector<Field> added;
  for (const Field& row : rows.fields()) {
    const std::optional<std::size_t> column = table.index_of(row.name);
    if (column) {
      if (!fits(row.type, table[*column].type))
        return invalid(misfit_of(table[*column], row) +
                       "; cast it in the SELECT, or write to another table");
    } else if (change == SchemaChange::Refuse) {
      return invalid(
          fmt::format("the table has no column '{}'{}; leave it out, or allow new columns",
                      row.name, suggestion(row.name, table.names())));
    } else {
      added.push_back({row.name, row.type, true});
    }
  }
  for (const Field& column : table.fields()) {
    if (rows.index_of(column.name)) continue;
    if (change == SchemaChange::Refuse || !column.nullable) {
      return invalid(fmt::format("the rows have no column '{}', which the table has", column.name));
    }
  }
  return added;
}

bool may_remove(const Snapshot& base, const WriteSpec& spec) {
  const bool clears =
      base.txn_version(spec.writer.app_id).has_value() && !spec.writer.app_id.empty();
  return spec.mode != WriteMode::Append || clears;
}

Result<TablePlan> plan_new_table(const Schema& rows, const WriteSpec& spec, std::int64_t now_ms) {
  TablePlan plan{.schema = rows};
  plan.partition_columns = TRY(spelled(spec.partition_by, rows));
  TRY(check_new_table(plan.schema, plan.partition_columns));
  plan.protocol = protocol_for(plan.schema);
  plan.metadata = new_metadata(plan.schema, plan.partition_columns, {}, now_ms);
  return plan;
}

/// The base's protocol with what the columns need on top, or nothing when it is enough. Errors:
/// Unsupported, because a protocol once raised stays so, for every reader of the table.
Status check_protocol_suffices(const Snapshot& base, const Schema& schema) {
  const Protocol needed = protocol_for(schema);
  if (needed.writer_features.empty() || has_writer_feature(base.protocol(), "timestampNtz")) {
    return {};
  }
  return Error(ErrorCode::Unsupported,
               "the rows have a TIMESTAMP without time zone, which this table's protocol does not "
               "know; cast it to TIMESTAMPTZ, or write to a new table");
}

Result<TablePlan> plan_replacement(const Snapshot& base, const Schema& rows,
                                   const WriteSpec& spec) {
  if (spec.mode != WriteMode::Overwrite) {
    return invalid("the columns of a table can be replaced only together with all its rows");
  }
  TablePlan plan{.schema = rows};
  plan.partition_columns = TRY(spelled(spec.partition_by, rows));
  TRY(check_new_table(plan.schema, plan.partition_columns));
  if (plan.schema == base.schema() && plan.partition_columns == base.partition_columns()) {
    return plan;
  }
  TRY(check_protocol_suffices(base, plan.schema));
  plan.metadata = base.metadata();
  plan.metadata->schema = schema_json(plan.schema);
  plan.metadata->partition_columns = plan.partition_columns;
  return plan;
}

Result<TablePlan> plan_existing(const Snapshot& base, const Schema& rows, const WriteSpec& spec) {
  TablePlan plan{.schema = base.schema(), .partition_columns = base.partition_columns()};
  const std::vector<std::string> asked = TRY(spelled(spec.partition_by, base.schema()));
  if (!asked.empty() && asked != plan.partition_columns) {
    return invalid(fmt::format("the table is partitioned by {}, not by {}",
                               joined(plan.partition_columns), joined(asked)));
  }
  if (spec.mode == WriteMode::OverwritePartitions && plan.partition_columns.empty()) {
    return invalid("the table has no partitions that could be overwritten; overwrite all of it");
  }
  const std::vector<Field> added = TRY(new_columns(base.schema(), rows, spec.schema_change));
  if (added.empty()) return plan;
  TRY(check_names(added));
  std::vector<Field> fields = base.schema().fields();
  fields.insert(fields.end(), added.begin(), added.end());
  plan.schema = Schema(std::move(fields));
  TRY(check_protocol_suffices(base, plan.schema));
  plan.metadata = base.metadata();
  plan.metadata->schema = TRY(add_columns(base.metadata().schema, added));
  return plan;
}

}  // namespace

std::size_t forbidden_in_name(std::string_view column) {
  return column.find_first_of(" ,;{}()\n\t=");
}

Status check_new_table(const Schema& schema, const std::vector<std::string>& partition_by) {
  TRY(check_names(schema.fields()));
  if (schema.size() == 0) return invalid("a table needs a column");
  const std::vector<std::string> names = TRY(spelled(partition_by, schema));
  std::set<std::string> seen;
  for (const std::string& name : names) {
    const DataType& type = schema[*schema.index_of(name)].type;
    if (type.is_nested() || type.kind == Kind::Binary) {
      return invalid(
          fmt::format("partition column '{}' is a {}; partition by a number, text, date "
                      "or timestamp",
                      name, columnar::to_sql(type)));
    }
    if (!seen.insert(name).second) {
      return invalid(fmt::format("partition column '{}' is named twice", name));
    }
  }
  if (names.size() == schema.size()) {
    return invalid("every column is a partition column, so that the files would hold none");
  }
  return {};
}

Metadata new_metadata(const Schema& schema, std::vector<std::string> partition_columns,
                      std::map<std::string, std::string> properties, std::int64_t now_ms) {
  return {.id = new_uuid(),
          .schema = schema_json(schema),
          .partition_columns = std::move(partition_columns),
          .configuration = std::move(properties),
          .created_time_ms = now_ms};
}

Result<TablePlan> plan_table(const Snapshot* base, const Schema& rows, const WriteSpec& spec,
                             std::int64_t now_ms) {
  if (base == nullptr) return plan_new_table(rows, spec, now_ms);
  TRY(check_writable(base->protocol(), base->metadata()));
  if (is_append_only(base->protocol(), base->metadata()) && may_remove(*base, spec)) {
    return Error(ErrorCode::Unsupported,
                 "the table only takes new rows (delta.appendOnly), and this write removes some");
  }
  if (spec.schema_change == SchemaChange::Replace) return plan_replacement(*base, rows, spec);
  return plan_existing(*base, rows, spec);
}

bool fits(const DataType& from, const DataType& into) {
  if (from.kind == Kind::Decimal || into.kind == Kind::Decimal) {
    return into.kind == Kind::Decimal ? fits_decimal(from, into) : false;
  }
  if (from.is_nested() || into.is_nested()) {
    // The names and types inside; whether they may be null is the table's to say.
    return columnar::to_sql(from) == columnar::to_sql(into);
  }
  if (from.kind == into.kind) return true;
  if (from.is_integer() && into.is_integer()) return from.kind < into.kind;
  if (into.kind == Kind::Float64) {
    return from.kind == Kind::Float32 || (from.is_integer() && from.kind <= Kind::Int32);
  }
  return into.kind == Kind::Float32 && from.is_integer() && from.kind <= Kind::Int16;
}

std::string misfit(const Schema& table, const Schema& rows) {
  for (const Field& row : rows.fields())
    if (const auto column = table.index_of(row.name);
        column && !fits(row.type, table[*column].type))
      return misfit_of(table[*column], row);
  return "";
}

Result<std::string> select_for(const TablePlan& plan, const Schema& rows, std::string_view select) {
  const std::string statement(TRY(sql::single_statement(select)));
  std::string columns;
  bool same = rows.size() == plan.schema.size();
  for (std::size_t i = 0; i < plan.schema.size(); ++i) {
    const Field& column = plan.schema[i];
    const std::string name = sql::quote_identifier(column.name);
    const std::string type = columnar::to_sql(column.type);
    const std::optional<std::size_t> row = rows.index_of(column.name);
    columns += columns.empty() ? "" : ", ";
    if (row && columnar::to_sql(rows[*row].type) == type) {
      columns += fmt::format("{} AS {}", sql::quote_identifier(rows[*row].name), name);
      same = same && *row == i && rows[*row].name == column.name;
    } else {
      columns += fmt::format("CAST({} AS {}) AS {}",
                             row ? sql::quote_identifier(rows[*row].name) : "NULL", type, name);
      same = false;
    }
  }
  if (same) return statement;
  return fmt::format("SELECT {} FROM (\n{}\n)", columns, statement);
}

}  // namespace millrace::lake
