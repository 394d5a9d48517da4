// The statistics of a data file, by which files are left out of a scan. First line: a literal; then the statistics.

#include "base/utf8.h"
#include "fuzz.h"
#include "lake/predicate.h"
#include "lake/statistics.h"

namespace {

using namespace millrace;

columnar::Schema schema() {
  std::vector<columnar::Field> fields;
  const std::pair<const char*, const char*> columns[] = {
      {"i", "BIGINT"},  {"d", "DOUBLE"},        {"s", "VARCHAR"}, {"t", "TIMESTAMP WITH TIME ZONE"},
      {"b", "BOOLEAN"}, {"n", "DECIMAL(18,3)"}, {"day", "DATE"}};
  for (const auto& [name, type] : columns)
    fields.push_back({.name = name, .type = *columnar::parse_type(type)});
  return columnar::Schema(std::move(fields));
}

void check_cuts(std::string_view text) {
  constexpr std::size_t kCharacters = 32;
  INVARIANT(lake::cut_below(text, kCharacters) <= text, "a lower bound is one");
  if (const auto above = lake::cut_above(text, kCharacters))
    INVARIANT(*above >= text && is_utf8(*above), "an upper bound is one");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const columnar::Schema kSchema = schema();
  std::string_view text = text_of(data, size);
  const std::string literal(take_line(text));
  const lake::FileStatistics statistics = lake::FileStatistics::parse(text);
  static_cast<void>(statistics.row_count());
  lake::AddFile file;
  file.file.path = "part.parquet";
  file.stats = std::string(text);
  for (const columnar::Field& field : kSchema.fields()) {
    static_cast<void>(statistics.null_count(field.name));
    for (int comparison = 0; comparison <= static_cast<int>(lake::Comparison::IsNotNull);
         ++comparison) {
      const lake::Predicate predicate = {
          {field.name, static_cast<lake::Comparison>(comparison), literal}};
      if (!lake::check_predicate(predicate, kSchema).ok()) continue;
      static_cast<void>(lake::may_match(file, predicate, kSchema, {}));
    }
  }
  const Json& least = statistics.min("s");
  if (least.is_string() && statistics.max("s") == least) {
    const lake::Predicate equal = {{"s", lake::Comparison::Equal, least.as_string()}};
    if (statistics.null_count("s").value_or(0) == 0 && lake::check_predicate(equal, kSchema).ok())
      INVARIANT(lake::may_match(file, equal, kSchema, {}), "a file holds its own minimum");
  }
  if (is_utf8(text)) check_cuts(text);
  return 0;
}
