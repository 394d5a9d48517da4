#include "ingest/land_plan.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/core.h>

#include "base/hash.h"

namespace millrace::ingest {
namespace {

std::optional<std::int64_t> value_of_mark(const Marks& marks, const std::string& app_id) {
  const auto found = marks.find(app_id);
  if (found == marks.end()) return std::nullopt;
  return found->second;
}

/// A delivery beside the marks of its landing.
struct Compared {
  bool landed = false;
  bool own = false;      // by this run
  bool changed = false;  // since
  bool touched = false;  // only its modification time
  std::int64_t size_then = 0;
  std::int64_t content = 0;  // of its bytes as they are now; 0 where none is known
};

Result<Compared> compare(const Known& known, const Delivery& delivery) {
  Compared compared;
  const auto landed_by = value_of_mark(known.marks, landed_mark(known.source, delivery.path));
  if (!landed_by || *landed_by == kTakenBack) return compared;
  compared.landed = true;
  compared.own = *landed_by == mark_version(known.writer);
  const auto now = static_cast<std::int64_t>(delivery.size_bytes);
  compared.size_then =
      value_of_mark(known.marks, size_mark(known.source, delivery.path)).value_or(now);
  const auto content = value_of_mark(known.marks, content_mark(known.source, delivery.path));
  const auto modified = value_of_mark(known.marks, modified_mark(known.source, delivery.path));
  const bool same_size = compared.size_then == now;
  compared.content = content.value_or(0);
  if (same_size && (!content || modified == microseconds(delivery.modified))) return compared;
  compared.content = content_version(TRY(known.content_hash(delivery)));
  compared.changed = !same_size || compared.content != content;
  compared.touched = !compared.changed;
  return compared;
}

std::string changed_since(const Delivery& delivery, const Compared& compared) {
  const std::string how =
      compared.size_then == static_cast<std::int64_t>(delivery.size_bytes)
          ? fmt::format("was landed with other content than it has now, of the same {} bytes",
                        delivery.size_bytes)
          : fmt::format("was landed with {} bytes and has {} now", compared.size_then,
                        delivery.size_bytes);
  return fmt::format(
      "{} {}; deliveries do not change: deliver the correction under another name, or clear the "
      "run that landed it, so that it lands the file again",
      delivery.path, how);
}

std::string mark_of(std::string_view what, std::string_view source, std::string_view path) {
  return fmt::format("millrace/ingest{}/{}/{}", what, source, path);
}

/// The paths that this run has landed.
std::set<std::string> own_paths(const Known& known) {
  std::set<std::string> paths;
  const std::string prefix = landed_mark(known.source, "");
  for (auto mark = known.marks.lower_bound(prefix);
       mark != known.marks.end() && mark->first.starts_with(prefix); ++mark)
    if (mark->second == mark_version(known.writer)) paths.insert(mark->first.substr(prefix.size()));
  return paths;
}

}  // namespace

std::string landed_mark(std::string_view source, std::string_view path) {
  return mark_of("", source, path);
}
std::string size_mark(std::string_view source, std::string_view path) {
  return mark_of("-size", source, path);
}
std::string content_mark(std::string_view source, std::string_view path) {
  return mark_of("-content", source, path);
}
std::string modified_mark(std::string_view source, std::string_view path) {
  return mark_of("-modified", source, path);
}

std::optional<std::string> source_of_mark(std::string_view app_id) {
  const std::string begin = landed_mark("", "");  // "millrace/ingest//"
  const std::string_view prefix = std::string_view(begin).substr(0, begin.size() - 1);
  if (!app_id.starts_with(prefix)) return std::nullopt;
  app_id.remove_prefix(prefix.size());
  return std::string(app_id.substr(0, app_id.find('/')));
}

std::string event_time_mark(std::string_view source) {
  return fmt::format("millrace/ingest-event-time/{}", source);
}

std::int64_t microseconds(Instant moment) {
  return moment.time_since_epoch().count();
}

std::int64_t mark_version(std::string_view name) {
  // 53 bits, so that readers who take JSON numbers for doubles see the same one; never kTakenBack.
  return static_cast<std::int64_t>(stable_hash(name) >> 11U) | 1;
}

std::int64_t content_version(std::string_view sha256) {
  const std::string_view digits = sha256.substr(0, 16);
  std::uint64_t first = 0;
  std::from_chars(digits.begin(), digits.end(), first, 16);
  return static_cast<std::int64_t>(first >> 11U);
}

Result<LandPlan> plan_landing(const Known& known, std::vector<Delivery> deliveries) {
  LandPlan plan;
  for (Delivery& delivery : deliveries) {
    const auto landed_by = value_of_mark(known.marks, landed_mark(known.source, delivery.path));
    if (landed_by == mark_version(known.writer)) {
      plan.pending.push_back(std::move(delivery));
      continue;
    }
    const Compared compared = TRY(compare(known, delivery));
    plan.already += compared.landed ? 1 : 0;
    if (compared.changed) plan.changed.push_back(changed_since(delivery, compared));
    if (compared.touched) plan.touched.push_back(delivery);
    if (!compared.landed) plan.pending.push_back(std::move(delivery));
  }
  return plan;
}

std::vector<std::string> landed_and_gone(const Known& known,
                                         const std::vector<Delivery>& deliveries) {
  std::set<std::string> gone = own_paths(known);
  for (const Delivery& delivery : deliveries) gone.erase(delivery.path);
  return {gone.begin(), gone.end()};
}

Result<std::string> landing_key(const Known& known, const std::vector<Delivery>& deliveries) {
  std::map<std::string, std::string> parts;  // by path
  for (const std::string& path : own_paths(known))
    parts[path] = fmt::format(
        "landed {}", value_of_mark(known.marks, content_mark(known.source, path)).value_or(0));
  for (const Delivery& delivery : deliveries) {
    const Compared compared = TRY(compare(known, delivery));
    if (!compared.landed)
      parts[delivery.path] =
          fmt::format("pending {} {}", delivery.size_bytes, microseconds(delivery.modified));
    else if (compared.changed)
      parts[delivery.path] = fmt::format("changed {} {}", delivery.size_bytes, compared.content);
  }
  Sha256 hash;
  for (const auto& [path, part] : parts) hash.update(fmt::format("{}: {}\n", path, part));
  return hash.hex();
}

std::map<std::int64_t, std::string> landed_contents(std::string_view source, const Marks& marks,
                                                    const std::vector<Delivery>& pending) {
  std::set<std::string_view> left_out;
  for (const Delivery& delivery : pending) left_out.insert(delivery.path);
  std::map<std::int64_t, std::string> contents;
  const std::string prefix = content_mark(source, "");
  for (auto mark = marks.lower_bound(prefix);
       mark != marks.end() && mark->first.starts_with(prefix); ++mark) {
    std::string path = mark->first.substr(prefix.size());
    if (left_out.contains(path) || value_of_mark(marks, landed_mark(source, path)) == kTakenBack)
      continue;
    contents.try_emplace(mark->second, std::move(path));
  }
  return contents;
}

void add_marks(std::string_view source, const Delivery& delivery, std::string_view sha256,
               std::string_view writer, Marks& marks) {
  marks[landed_mark(source, delivery.path)] = mark_version(writer);
  marks[size_mark(source, delivery.path)] = static_cast<std::int64_t>(delivery.size_bytes);
  marks[content_mark(source, delivery.path)] = content_version(sha256);
  marks[modified_mark(source, delivery.path)] = microseconds(delivery.modified);
}

}  // namespace millrace::ingest
