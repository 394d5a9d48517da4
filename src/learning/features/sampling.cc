#include "features/sampling.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/core.h>

#include "base/hash.h"
#include "sql/names.h"

namespace millrace::features {
namespace {

/// The keys with the lowest hashes, each once.
using Lowest = std::set<std::pair<std::uint64_t, RowKey>>;

constexpr std::size_t kMostParts = 64;

std::string as_text(const std::string& column) {
  return "CAST(" + sql::quote_identifier(column) + " AS VARCHAR)";
}

std::uint64_t hash_of(const RowKey& key, std::uint64_t seed) {
  std::string bytes = std::to_string(seed);
  for (const std::string& value : key) bytes += fmt::format("\n{}:{}", value.size(), value);
  return stable_hash(bytes);
}

}  // namespace

Result<std::vector<RowKey>> sample_keys(engine::Session& session, const std::string& relation,
                                        const std::vector<std::string>& key,
                                        const std::string& part, std::size_t count,
                                        std::uint64_t seed) {
  std::string select;
  std::string where;
  for (const std::string& column : key) {
    select += as_text(column) + ", ";
    where += (where.empty() ? "" : " AND ") + sql::quote_identifier(column) + " IS NOT NULL";
  }
  select += part.empty() ? "''" : "coalesce(" + as_text(part) + ", '')";
  std::map<std::string, Lowest> parts;
  {
    const auto reader =
        TRY(session.query(fmt::format("SELECT {} FROM {} WHERE {}", select, relation, where)));
    RowKey text(key.size());
    while (auto rows = TRY(reader->next()))
      for (std::size_t row = 0; row < rows->row_count(); ++row) {
        for (std::size_t i = 0; i < key.size(); ++i) text[i] = rows->column(i).text(row);
        std::string name(rows->column(key.size()).text(row));
        // More parts than these are no parts: what is beyond counts as one.
        if (parts.size() >= kMostParts && !parts.contains(name)) name.clear();
        Lowest& lowest = parts[name];
        const std::uint64_t hash = hash_of(text, seed);
        if (lowest.size() == count && hash > lowest.rbegin()->first) continue;
        lowest.emplace(hash, text);
        if (lowest.size() > count) lowest.erase(std::prev(lowest.end()));
      }
  }
  // Takes turns until there are enough, so that a small part leaves its share to the others.
  std::vector<RowKey> picked;
  for (bool any = true; any && picked.size() < count;) {
    any = false;
    for (auto& [name, lowest] : parts) {
      if (lowest.empty() || picked.size() == count) continue;
      picked.push_back(lowest.begin()->second);
      lowest.erase(lowest.begin());
      any = true;
    }
  }
  return picked;
}

}  // namespace millrace::features
