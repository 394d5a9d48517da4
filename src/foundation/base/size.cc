#include "base/size.h"

#include <array>
#include <charconv>
#include <cmath>

#include <fmt/core.h>

namespace millrace {
namespace {

struct SizeUnit {
  std::string_view name;
  double bytes;
};
constexpr std::array<SizeUnit, 11> kSizeUnits = {{{"", 1},
                                                  {"B", 1},
                                                  {"kB", 1e3},
                                                  {"KB", 1e3},
                                                  {"MB", 1e6},
                                                  {"GB", 1e9},
                                                  {"TB", 1e12},
                                                  {"KiB", 1024.0},
                                                  {"MiB", 1048576.0},
                                                  {"GiB", 1073741824.0},
                                                  {"TiB", 1099511627776.0}}};

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (error == std::errc() && std::isfinite(number) && number >= 0)
    for (const SizeUnit& known : kSizeUnits)
      if (known.name == unit && number * known.bytes < 9e18)
        return static_cast<std::uint64_t>(number * known.bytes);
  return Error(ErrorCode::Invalid, fmt::format("'{}' is not an amount of bytes; write a number and "
                                               "B, kB, MB, GB, MiB or GiB, such as 4GB",
                                               text));
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  for (const char* unit : {"kB", "MB", "GB", "TB"}) {
    value /= 1000;
    if (value < 999.95) return fmt::format("{:.1f} {}", value, unit);
  }
  return fmt::format("{:.1f} PB", value / 1000);
}

}  // namespace millrace
