#include "arguments.h"

#include <charconv>
#include <limits>
#include <map>
#include <optional>

namespace clicks {

const char* const kHelp =
    "usage: deliver_clicks [OPTION VALUE]...\n"
    "\n"
    "Writes what a shop delivers day by day: FOLDER/clicks, users, items and activity, with one "
    "file a\n"
    "day, named by its date. Every day can be written alone, and is always the same.\n"
    "\n"
    "  --out FOLDER        where to, default deliveries\n"
    "  --format FORMAT     jsonl (gzipped JSON lines, the default) or parquet\n"
    "  --start DATE        the first day of the story, default 2024-01-01\n"
    "  --days N            how many days it has, default 45\n"
    "  --day DATE          only this day\n"
    "  --part K/N          only the K-th of N parts of each day's clicks; the first one writes "
    "the\n"
    "                      other tables, too\n"
    "  --visits N          a day, default 20000; about two thirds of them become a row\n"
    "  --users N           default 30000\n"
    "  --items N           default 2000\n"
    "  --seed N            default 42: another one makes another world\n"
    "  --threads N         default 2; each has a session of the engine\n"
    "  --best-score yes    a column best_score, the chance of each click, which no model can beat\n"
    "  --help              this text\n"
    "\n"
    "In it: plans that change, late rows (3 in 100), rows that come twice (1 in 100), nulls, "
    "broken\n"
    "rows (1 in 1000), one user who has 1 in 100 visits, a column `position` from the 31st day on, "
    "and\n"
    "a 36th day on which other items are shown.\n";

namespace {

using millrace::Error;
using millrace::ErrorCode;
using millrace::Result;

Error mistake(const std::string& option, const std::string& expected, const std::string& found) {
  return {ErrorCode::Invalid, option + ": expected " + expected + ", found '" + found + "'"};
}

Result<std::int64_t> number(const std::string& option, const std::string& text, std::int64_t least,
                            std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return mistake(option,
                   "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
                   text);
  return value;
}

Result<millrace::Date> date(const std::string& option, const std::string& text) {
  const auto instant = millrace::parse_instant(text);
  if (!instant.ok() || text.size() != 10) return mistake(option, "a date as 2024-01-31", text);
  return std::chrono::floor<std::chrono::days>(*instant);
}

Result<bool> either(const std::string& option, const std::string& text, const std::string& yes,
                    const std::string& no) {
  if (text != yes && text != no) return mistake(option, yes + " or " + no, text);
  return text == yes;
}

/// "2/4" is the second of four.
Result<> read_part(const std::string& text, Order& order) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return mistake("--part", "K/N as 1/4", text);
  order.parts = TRY(number("--part", text.substr(slash + 1), 1, 10'000));
  order.part = TRY(number("--part", text.substr(0, slash), 1, order.parts)) - 1;
  return {};
}

/// The options and their values, each at most once.
Result<std::map<std::string, std::string>> words_of(int argc, char** argv) {
  static const std::string known =
      " --out --format --start --days --day --part --visits --users --items --seed --threads "
      "--best-score ";
  std::map<std::string, std::string> values;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (known.find(" " + option + " ") == std::string::npos)
      return Error(ErrorCode::Invalid, "there is no option '" + option + "'");
    if (i + 1 == argc) return Error(ErrorCode::Invalid, option + " needs a value");
    if (!values.emplace(option, argv[i + 1]).second)
      return Error(ErrorCode::Invalid, option + " is given twice");
  }
  return values;
}

}  // namespace

Result<Order> read_arguments(int argc, char** argv) {
  Order order;
  for (int i = 1; i < argc; ++i) order.help = order.help || std::string(argv[i]) == "--help";
  if (order.help) return order;
  const auto values = TRY(words_of(argc, argv));
  const auto value = [&](const std::string& option) -> std::optional<std::string> {
    const auto found = values.find(option);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
  const auto read_number = [&](const std::string& option, std::int64_t least, std::int64_t most,
                               std::int64_t& into) -> Result<> {
    if (const auto text = value(option)) into = TRY(number(option, *text, least, most));
    return {};
  };
  std::int64_t seed = 42;
  TRY(read_number("--days", 1, 3'660, order.numbers.days));
  TRY(read_number("--visits", 1, 1'000'000'000, order.numbers.visits));
  TRY(read_number("--users", 1, 10'000'000, order.numbers.users));
  TRY(read_number("--items", 1, 10'000'000, order.numbers.items));
  TRY(read_number("--threads", 1, 256, order.threads));
  TRY(read_number("--seed", 0, std::numeric_limits<std::int64_t>::max(), seed));
  order.numbers.seed = static_cast<std::uint64_t>(seed);
  order.out = value("--out").value_or(order.out);
  order.as_parquet =
      TRY(either("--format", value("--format").value_or("jsonl"), "parquet", "jsonl"));
  order.with_best_score =
      TRY(either("--best-score", value("--best-score").value_or("no"), "yes", "no"));
  if (const auto text = value("--part")) TRY(read_part(*text, order));
  if (const auto text = value("--start")) order.start = TRY(date("--start", *text));
  order.last_day = order.numbers.days - 1;
  if (const auto text = value("--day")) {
    const std::int64_t day = (TRY(date("--day", *text)) - order.start).count();
    if (day < 0 || day >= order.numbers.days)
      return mistake("--day",
                     "one of the " + std::to_string(order.numbers.days) + " days from --start on",
                     *text);
    order.first_day = order.last_day = day;
  }
  return order;
}

}  // namespace clicks
