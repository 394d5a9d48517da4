#include "sql/references.h"

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "sql/plan_columns.h"

namespace millrace::sql {

namespace {

/// Statements without tables.
constexpr std::string_view kNoTables[] = {"LOGICAL_TRANSACTION", "LOGICAL_SET",
                                          "LOGICAL_RESET",       "LOGICAL_CREATE_SCHEMA",
                                          "LOGICAL_LOAD",        "LOGICAL_VACUUM"};

/// The names of a table's stored columns, in order.
std::vector<std::string> column_names(const Json& table) {
  std::vector<std::string> names;
  for (const Json& column : elements(table["columns"], "columns")) {
    if (column.string_or("category", "STANDARD") == "GENERATED") continue;
    names.push_back(column.string_or("name", ""));
  }
  return names;
}

/// Reads the statement at the top of a plan.
class StatementReader {
 public:
  explicit StatementReader(References& found) : found_(found), columns_(found) {}

  void read(const Json& op, const columnar::Schema& result) {
    std::string type = op.string_or("type", "?");
    if (std::ranges::find(kNoTables, type) != std::end(kNoTables)) return;
    if (type == "LOGICAL_DROP" || type == "LOGICAL_ALTER" || type == "LOGICAL_CREATE_VIEW" ||
        type == "LOGICAL_CREATE_INDEX") {
      return read_definition(op, type);
    }
    if (const Json* writing = find_writing(op)) return read_write(*writing);
    Columns columns = columns_.of(op);
    if (columns.size() != result.size()) {
      columns_.not_understood("an answer of other columns than its plan");
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
      add(i < result.size() ? result[i].name : fmt::format("#{}", i + 1), std::move(columns[i]));
    }
  }

 private:
  /// The operator that writes, under the projections of a RETURNING.
  static const Json* find_writing(const Json& op) {
    const Json* at = &op;
    for (;;) {
      std::string type = at->string_or("type", "");
      if (type == "LOGICAL_INSERT" || type == "LOGICAL_UPDATE" || type == "LOGICAL_DELETE" ||
          type == "LOGICAL_MERGE_INTO" || type == "LOGICAL_CREATE_TABLE" ||
          type == "LOGICAL_COPY_TO_FILE") {
        return at;
      }
      if (type != "LOGICAL_PROJECTION" || elements(*at, "children").size() != 1) return nullptr;
      at = elements(*at, "children").data();
    }
  }

  void add(const std::string& name, Origin origin) {
    found_.columns.push_back({name, std::move(origin.direct), std::move(origin.indirect)});
  }

  void read_definition(const Json& op, const std::string& type) {
    const Json& info = op["info"];
    std::string kind = info.string_or("type", "");
    if (type == "LOGICAL_DROP" && kind != "TABLE_ENTRY" && kind != "VIEW_ENTRY") {
      return columns_.not_understood("DROP of a " + kind);
    }
    if (type == "LOGICAL_CREATE_VIEW") {
      found_.writes.insert(table_text(Json::object({{"schema", info.string_or("schema", "main")},
                                                    {"name", info.string_or("view_name", "")}})));
      return columns_.not_understood("what a CREATE VIEW reads; ask about its SELECT");
    }
    found_.writes.insert(table_text(info));
    for (const Json& child : elements(op, "children")) (void)columns_.of(child);
  }

  void read_write(const Json& op) {
    Columns inputs;
    for (const Json& child : elements(op, "children")) inputs = columns_.of(child);
    std::string type = op.string_or("type", "");
    if (type == "LOGICAL_COPY_TO_FILE") return read_copy(op, inputs);
    const Json& table = type == "LOGICAL_CREATE_TABLE" ? op["info"] : op["table_info"];
    if (!table.is_object()) return columns_.not_understood("operator " + type + " without a table");
    found_.writes.insert(table_text(table));
    std::vector<std::string> names = column_names(table);
    if (type == "LOGICAL_CREATE_TABLE") {
      for (std::size_t i = 0; i < inputs.size() && i < names.size(); ++i) add(names[i], inputs[i]);
    } else if (type == "LOGICAL_INSERT") {
      read_insert(op, inputs, names);
    } else if (type == "LOGICAL_UPDATE") {
      read_update(op, inputs, names);
    } else if (type == "LOGICAL_MERGE_INTO") {
      read_merge(op, inputs, names);
    }
  }

  void read_copy(const Json& op, const Columns& inputs) {
    found_.files_written.insert(op.string_or("file_path", "?"));
    const Json::Array& names = elements(op, "names");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      bool named = i < names.size() && names[i].is_string();
      add(named ? names[i].as_string() : fmt::format("#{}", i + 1), inputs[i]);
    }
  }

  /// Which input goes into which column: by position, or as the statement's list of columns says
  /// (a column without an input gets its default).
  static std::vector<std::size_t> inputs_of_columns(const Json& op, std::size_t columns) {
    const Json::Array& map = elements(op["column_index_map"], "internal_vector");
    std::vector<std::size_t> inputs(columns);
    for (std::size_t i = 0; i < columns; ++i) {
      bool mapped = i < map.size() && map[i].is_integer();
      inputs[i] = map.empty() ? i : mapped ? static_cast<std::size_t>(map[i].as_integer()) : ~0ULL;
    }
    return inputs;
  }

  void read_insert(const Json& op, const Columns& inputs, const std::vector<std::string>& names) {
    std::vector<std::size_t> from = inputs_of_columns(op, names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      add(names[i], from[i] < inputs.size() ? inputs[from[i]] : Origin{});
    }
    if (op.string_or("action_type", "THROW") == "UPDATE") {
      columns_.not_understood("ON CONFLICT DO UPDATE as part of an INSERT");
    }
  }

  void read_update(const Json& op, const Columns& inputs, const std::vector<std::string>& names) {
    const Json::Array& expressions = elements(op, "expressions");
    const Json::Array& columns = elements(op, "columns");
    for (std::size_t i = 0; i < columns.size() && i < expressions.size(); ++i) {
      add(name_at(names, columns[i]), columns_.expression(expressions[i], inputs));
    }
  }

  std::string name_at(const std::vector<std::string>& names, const Json& index) {
    auto i = static_cast<std::size_t>(index.is_integer() ? index.as_integer() : -1);
    if (i < names.size()) return names[i];
    columns_.not_understood("a column that is not in the table that is written");
    return "?";
  }

  void read_merge(const Json& op, const Columns& inputs, const std::vector<std::string>& names) {
    std::map<std::string, Origin> written;
    Origin deciding;
    for (const Json& group : elements(op, "actions")) {
      for (const Json& action : elements(group, "value")) {
        Origin condition = columns_.expression(action["condition"], inputs);
        deciding.add(condition);
        read_action(action, inputs, names, condition, written);
      }
    }
    found_.indirect.insert(deciding.direct.begin(), deciding.direct.end());
    found_.indirect.insert(deciding.indirect.begin(), deciding.indirect.end());
    for (const std::string& name : names) {
      auto found = written.find(name);
      if (found != written.end()) add(name, found->second);
    }
  }

  void read_action(const Json& action, const Columns& inputs, const std::vector<std::string>& names,
                   const Origin& condition, std::map<std::string, Origin>& written) {
    std::string type = action.string_or("action_type", "?");
    const Json::Array& expressions = elements(action, "expressions");
    auto write = [&](const std::string& name, const Json& expression) {
      Origin origin = columns_.expression(expression, inputs);
      origin.add_indirect(condition);
      written[name].add(origin);
    };
    if (type == "MERGE_UPDATE") {
      const Json::Array& columns = elements(action, "columns");
      for (std::size_t i = 0; i < columns.size() && i < expressions.size(); ++i) {
        write(name_at(names, columns[i]), expressions[i]);
      }
    } else if (type == "MERGE_INSERT") {
      std::vector<std::size_t> from = inputs_of_columns(action, names.size());
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (from[i] < expressions.size()) write(names[i], expressions[from[i]]);
      }
    } else if (type != "MERGE_DELETE" && type != "MERGE_DO_NOTHING" && type != "MERGE_ERROR") {
      columns_.not_understood("MERGE action " + type);
    }
  }

  References& found_;
  PlanColumns columns_;
};

}  // namespace

Result<References> find_references(const Json& plan, const columnar::Schema& result) {
  References found;
  const Json::Array one = {plan};
  const Json::Array& plans = plan.is_array() ? plan.as_array() : one;
  for (const Json& op : plans) {
    if (!op.is_object() || !op["type"].is_string()) {
      return Error(ErrorCode::Invalid,
                   fmt::format("expected a bound plan, found {}", op.type_name()));
    }
    StatementReader(found).read(op, result);
  }
  return found;
}

}  // namespace millrace::sql
