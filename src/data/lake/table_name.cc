#include "lake/table_name.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "sql/names.h"

namespace millrace::lake {

Result<TableName> TableName::parse(std::string_view text) {
  sql::TableName name = TRY(sql::parse_table_name(text));
  for (const std::string& part : {name.schema, name.name}) {
    if (fold_case(part) != "_delta_log") continue;
    return Error(ErrorCode::Invalid,
                 fmt::format("table name '{}': in a folder '{}' a table keeps its history; choose "
                             "another name",
                             text, part));
  }
  return TableName(name.text());
}

std::string TableName::folder() const {
  std::string folder = text_;
  std::ranges::replace(folder, '.', '/');
  return folder;
}

}  // namespace millrace::lake
