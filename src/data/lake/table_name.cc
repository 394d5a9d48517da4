#include "lake/table_name.h"

#include <algorithm>

#include "sql/names.h"

namespace millrace::lake {

Result<TableName> TableName::parse(std::string_view text) {
  sql::TableName name = TRY(sql::parse_table_name(text));
  return TableName(name.text());
}

std::string TableName::folder() const {
  std::string folder = text_;
  std::ranges::replace(folder, '.', '/');
  return folder;
}

}  // namespace millrace::lake
