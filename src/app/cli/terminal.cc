#include "cli/terminal.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

namespace millrace::cli {
namespace {

std::string_view code_of(Colour colour) {
  switch (colour) {
    case Colour::Green:
      return "\033[32m";
    case Colour::Red:
      return "\033[31m";
    case Colour::Yellow:
      return "\033[33m";
    case Colour::Blue:
      return "\033[34m";
    case Colour::Grey:
      return "\033[90m";
    case Colour::Bold:
      return "\033[1m";
    case Colour::None:
      break;
  }
  return "";
}

/// Code points, not bytes; escape sequences count nothing.
std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      while (i < text.size() && text[i] != 'm') ++i;
      continue;
    }
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) ++width;
  }
  return width;
}

std::string cut_to(std::string_view text, std::size_t columns) {
  if (width_of(text) <= columns) return std::string(text);
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) continue;
    if (seen++ == columns) break;
  }
  return std::string(text.substr(0, end));
}

bool is_number(std::string_view text) {
  return text.empty() || text == "-" ||
         text.find_first_not_of("0123456789.,+-% ") == std::string_view::npos;
}

}  // namespace

Terminal::Terminal(std::FILE* out)
    : out_(out), interactive_(::isatty(::fileno(out)) == 1 && std::getenv("NO_COLOR") == nullptr) {}

std::string Terminal::paint(Colour colour, std::string_view text) const {
  if (!interactive_ || colour == Colour::None) return std::string(text);
  return std::string(code_of(colour)) + std::string(text) + "\033[0m";
}

void Terminal::clear_status() {
  if (status_shown_) std::fputs("\r\033[K", out_);
  status_shown_ = false;
}

void Terminal::line(std::string_view text) {
  clear_status();
  std::fprintf(out_, "%.*s\n", static_cast<int>(text.size()), text.data());
  std::fflush(out_);
}

void Terminal::status(std::string_view text) {
  if (!interactive_) return;
  winsize size{};
  const std::size_t columns =
      ::ioctl(::fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1U : 79U;
  clear_status();
  std::fputs(cut_to(text, columns).c_str(), out_);
  std::fflush(out_);
  status_shown_ = true;
}

void Terminal::table(const std::vector<std::string>& head,
                     const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  widths.reserve(head.size());
  std::vector<bool> numeric(head.size(), true);
  for (const std::string& name : head) widths.push_back(width_of(name));
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
      numeric[i] = numeric[i] && is_number(row[i]);
    }
  const auto print = [&](const std::vector<std::string>& cells, Colour colour) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - width_of(cells[i]), ' ');
      const bool last = i + 1 == cells.size();
      text += numeric[i] ? padding + paint(colour, cells[i])
                         : paint(colour, cells[i]) + (last ? "" : padding);
      if (!last) text += "  ";
    }
    line(text);
  };
  print(head, Colour::Bold);
  for (const auto& row : rows) print(row, Colour::None);
}

std::string Terminal::bar(double fraction, int width) {
  const double bounded = std::clamp(std::isfinite(fraction) ? fraction : 0.0, 0.0, 1.0);
  const int filled = static_cast<int>(bounded * width);
  return "[" + std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(width - filled), '.') + "] " +
         std::to_string(static_cast<int>(bounded * 100)) + " %";
}

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (byte == '\n')
      shown += "\\n";
    else if (byte == '\t')
      shown += "\\t";
    else if (byte < 0x20 || byte == 0x7F)
      shown += escaped_byte(text[i]);
    else if (byte == 0xC2 && next >= 0x80 && next < 0xA0)  // those above ASCII
      shown += fmt::format("\\u{:04x}", text[++i] & 0xFF);
    else
      shown += text[i];
  }
  return shown;
}

std::string counted(std::int64_t number, const std::string& noun) {
  return with_commas(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string to_the_second(const std::string& moment) {
  const std::size_t point = moment.find('.');
  return point == std::string::npos || moment.back() != 'Z' ? moment
                                                            : moment.substr(0, point) + "Z";
}

std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t sign = digits[0] == '-' ? 1 : 0;
  for (std::size_t i = digits.size(); i > sign + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

}  // namespace millrace::cli
