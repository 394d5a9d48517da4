#include "ingest/source.h"

#include "base/text.h"
#include "base/utf8.h"

namespace millrace::ingest {
columnar::Schema arrived(const Source& source) {
  using columnar::Kind;
  std::vector<columnar::Field> fields = source.columns().fields();
  const auto add = [&](std::string_view name, Kind kind, bool nullable) {
    fields.push_back({std::string(name), columnar::simple(kind), nullable});
  };
  if (source.keeps_unknown()) add(kUnknown, Kind::String, true);
  if (source.delivered_at_column().empty()) add(kDeliveredAt, Kind::Timestamp, false);
  add(kFile, Kind::String, false);
  add(kRow, Kind::Int64, false);
  add(kDeliveryDay, Kind::Date, false);
  return columnar::Schema(std::move(fields));
}

std::string readable_text(std::string_view bytes, std::size_t limit) {
  std::string_view rest = bytes.substr(0, limit);
  std::string text;
  text.reserve(rest.size());
  while (!rest.empty()) {
    const std::size_t length = rest[0] == '\0' ? 0 : character_length(rest);
    if (length == 0)
      text += escaped_byte(rest[0]);
    else
      text += rest.substr(0, length);
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

}  // namespace millrace::ingest
