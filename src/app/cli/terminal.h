#pragma once

// What people see: colours only on a terminal, tables, one line of progress that is rewritten in
// place.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

enum class Colour { None, Green, Red, Yellow, Blue, Grey, Bold };

class Terminal {
 public:
  /// Writes to `out`. Colours and rewriting in place only when it is a terminal and NO_COLOR is not
  /// set.
  explicit Terminal(std::FILE* out);

  bool interactive() const { return interactive_; }
  std::string paint(Colour colour, std::string_view text) const;

  void line(std::string_view text);
  /// Rewrites the last line; on anything but a terminal nothing is shown.
  void status(std::string_view text);
  /// Columns as wide as their widest cell; numbers (all cells of the column) to the right.
  void table(const std::vector<std::string>& head,
             const std::vector<std::vector<std::string>>& rows);

  /// "[######........] 43 %".
  static std::string bar(double fraction, int width = 20);

 private:
  void clear_status();
  std::FILE* out_;
  bool interactive_;
  bool status_shown_ = false;
};

/// Text of unknown origin without what would steer a terminal: control characters as \n, \t, \x1B.
std::string printable(std::string_view text);

/// 1234567 -> "1,234,567".
std::string with_commas(std::int64_t number);
/// "1 file", "2,000 files".
std::string counted(std::int64_t number, const std::string& noun);
/// A moment of a JSON record for people, without the part of the second: "2013-12-01T05:00:01Z".
std::string to_the_second(const std::string& moment);

}  // namespace millrace::cli
