#include "ingest/source.h"

#include <fmt/core.h>

namespace millrace::ingest {
namespace {

/// How many bytes the UTF-8 character at the start of `text` has; 0 when there is none (RFC 3629).
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  const unsigned char second = byte(1);
  if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
      (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F))
    return 0;
  return length;
}

}  // namespace

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
    const std::size_t length = character_length(rest);
    if (length == 0)
      text += fmt::format("\\x{:02X}", static_cast<unsigned char>(rest[0]));
    else
      text += rest.substr(0, length);
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

}  // namespace millrace::ingest
