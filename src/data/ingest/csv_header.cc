#include "ingest/csv_header.h"

#include <algorithm>
#include <optional>
#include <ranges>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/suggest.h"

namespace millrace::ingest {
namespace {

constexpr std::size_t kNamedFaults = 10;
constexpr std::string_view kDelimiters = ",;\t|";
constexpr std::string_view kSeparatedBy = "its names are separated by '";

using Names = std::vector<std::string>;

bool is_declared(std::string_view name, const Names& declared) {
  return std::ranges::find(declared, name) != declared.end();
}

/// How many declared names the line holds when it is cut at each `delimiter`.
std::ptrdiff_t declared_between(std::string_view line, char delimiter, const Names& declared) {
  std::ptrdiff_t count = 0;
  for (const auto part : std::views::split(line, delimiter)) {
    std::string_view name(part.begin(), part.end());
    if (name.size() > 1 && name.front() == '"' && name.back() == '"')
      name = name.substr(1, name.size() - 2);
    count += is_declared(name, declared) ? 1 : 0;
  }
  return count;
}

std::string shown(char delimiter) {
  return delimiter == '\t' ? "\\t" : std::string(1, delimiter);
}

/// Another character separates more of the declared names than `delimiter` does.
std::optional<char> other_delimiter(std::string_view line, const Names& declared, char delimiter) {
  std::optional<char> other;
  std::ptrdiff_t most = declared_between(line, delimiter, declared);
  for (const char candidate : kDelimiters) {
    const std::ptrdiff_t count = declared_between(line, candidate, declared);
    if (count > most) other = candidate;
    most = std::max(most, count);
  }
  return other;
}

/// No declared name, but something that begins as numbers and dates do.
bool looks_like_data(const Names& names, const Names& declared) {
  const auto is_value = [](const std::string& text) {
    const char first = text.empty() ? 'x' : text[text[0] == '-' && text.size() > 1 ? 1 : 0];
    return first >= '0' && first <= '9';
  };
  return std::ranges::any_of(names, is_value) &&
         std::ranges::none_of(names, [&](const auto& name) { return is_declared(name, declared); });
}

/// Collects clauses and counts those that are too many to be said.
class Clauses {
 public:
  template <typename Clause>
  void add(const Clause& clause) {
    if (++count_ <= kNamedFaults) text_ += (count_ == 1 ? "" : "; ") + clause();
  }
  std::string text() const {
    return count_ <= kNamedFaults ? text_
                                  : text_ + fmt::format("; and {} more", count_ - kNamedFaults);
  }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

std::string difference(const Names& names, std::span<const ColumnRule> columns,
                       const Names& declared) {
  const std::set<std::string_view> known(declared.begin(), declared.end());
  const std::set<std::string_view> found(names.begin(), names.end());
  Clauses clauses;
  Clauses lacking;  // null in every row, which is no fault; but another name may be meant for it
  for (const ColumnRule& column : columns) {
    if (found.contains(column.name)) continue;
    if (column.nullable)
      lacking.add([&] { return in_quotes(column.name); });
    else
      clauses.add([&] { return fmt::format("column {} is missing", in_quotes(column.name)); });
  }
  bool told = false;
  const auto not_declared = [&](const std::string& name) {
    std::string text = in_quotes(name) + " is not a declared column";
    if (const auto nearest = nearest_word(name, declared))
      return text + "; did you mean '" + *nearest + "'?";
    if (std::exchange(told, true)) return text;
    text += "; declare it in 'columns', or have it left out";
    return lacking.text().empty()
               ? text
               : text + " (declared, and not in the header: " + lacking.text() + ")";
  };
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second)
      clauses.add([&] { return fmt::format("{} stands twice", in_quotes(name)); });
    else if (!known.contains(name))
      clauses.add([&] { return not_declared(name); });
  }
  return clauses.text();
}

}  // namespace

std::string header_faults(const CsvRecord& header, std::span<const ColumnRule> columns,
                          char delimiter) {
  Names declared;
  declared.reserve(columns.size());
  for (const ColumnRule& column : columns) declared.push_back(column.name);
  Names names;
  names.reserve(header.fields.size());
  for (const CsvField& each : header.fields) names.emplace_back(each.text);
  std::string faults =
      header.fault.empty() ? difference(names, columns, declared) : "it " + header.fault;
  if (faults.empty()) return faults;
  if (const auto other = other_delimiter(header.raw, declared, delimiter))
    return fmt::format("{0}{1}', not by '{2}'; say 'delimiter: \"{1}\"' of the source's table",
                       kSeparatedBy, shown(*other), shown(delimiter));
  if (header.fault.empty() && looks_like_data(names, declared))
    return fmt::format(
        "the first line looks like data; put a line with the names of the columns "
        "before it: {}",
        fmt::join(declared, shown(delimiter)));
  return faults;
}

bool tells_another_delimiter(const Error& error) {
  return error.message().find(kSeparatedBy) != std::string::npos;
}

}  // namespace millrace::ingest
