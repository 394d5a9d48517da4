// A bitmap of deleted rows. First line: how many rows it should hold.

#include <charconv>

#include "fuzz.h"
#include "lake/deletion_vector.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  std::string_view text = text_of(data, size);
  const std::string_view line = take_line(text);
  std::size_t count = 0;
  std::from_chars(line.data(), line.data() + line.size(), count);
  count %= 100'000;
  const auto check = [count](std::string_view bytes) {
    const Result<std::vector<std::int64_t>> rows = lake::parse_row_bitmap(bytes, count);
    if (!rows.ok()) return;
    INVARIANT(rows->size() == count, "as many rows as the log says");
    for (std::size_t i = 0; i < rows->size(); ++i)
      INVARIANT((*rows)[i] >= 0 && (i == 0 || (*rows)[i] > (*rows)[i - 1]), "rows ascend");
  };
  check(text);
  const Result<std::string> decoded = lake::decode_base85(text);
  if (decoded.ok()) check(*decoded);
  return 0;
}
