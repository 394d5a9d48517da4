#include "millrace/table.h"

#include <array>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace {

std::size_t Batch::row_count() const {
  if (columns_.empty()) return 0;
  return std::visit([](const auto& values) { return values.size(); }, columns_.front().values);
}

void Batch::clear() {
  for (Named& column : columns_) std::visit([](auto& values) { values.clear(); }, column.values);
}

Result<const Batch::Named*> Batch::find(std::string_view name) const {
  std::vector<std::string> names;
  for (const Named& column : columns_) {
    if (column.name == name) return &column;
    names.push_back(column.name);
  }
  return Error(ErrorCode::NotFound, fmt::format("no column '{}'{}", name, suggestion(name, names)));
}

Error Batch::other_type(const Named& column, std::size_t expected) {
  constexpr std::array<std::string_view, 6> names = {"bool",        "std::int64_t", "double",
                                                     "std::string", "Date",         "Instant"};
  return {ErrorCode::Invalid,
          fmt::format("column '{}' holds {}, not {}: ask for column<{}>, or cast it in the SQL",
                      column.name, names[column.values.index()], names[expected],
                      names[column.values.index()])};
}

Result<std::int64_t> Tables::write(std::string_view name, const Batch& rows) {
  return write(name, Batches([&rows, given = false]() mutable -> Result<std::optional<Batch>> {
                 if (std::exchange(given, true)) return std::optional<Batch>();
                 return std::optional<Batch>(rows);
               }));
}

}  // namespace millrace
