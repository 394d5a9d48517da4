#include "ingest/land_plan.h"

#include <fmt/core.h>

#include "base/hash.h"

namespace millrace::ingest {

std::string landed_mark(std::string_view source, std::string_view path) {
  return fmt::format("millrace/ingest/{}/{}", source, path);
}

std::string size_mark(std::string_view source, std::string_view path) {
  return fmt::format("millrace/ingest-size/{}/{}", source, path);
}

std::int64_t mark_version(std::string_view writer) {
  // 53 bits, so that readers who take JSON numbers for doubles see the same one; never kTakenBack.
  return static_cast<std::int64_t>(stable_hash(writer) >> 11U) | 1;
}

LandPlan plan_landing(std::string_view source, std::vector<Delivery> deliveries,
                      std::string_view writer, const MarkLookup& mark) {
  LandPlan plan;
  for (Delivery& delivery : deliveries) {
    const auto landed_by = mark(landed_mark(source, delivery.path));
    if (!landed_by || *landed_by == kTakenBack || *landed_by == mark_version(writer)) {
      plan.pending.push_back(std::move(delivery));
      continue;
    }
    ++plan.already;
    const auto size = mark(size_mark(source, delivery.path));
    if (!size || *size == static_cast<std::int64_t>(delivery.size_bytes)) continue;
    plan.changed.push_back(fmt::format(
        "{} was landed with {} bytes and has {} now; deliveries do not change: deliver the "
        "correction "
        "under another name, or clear the run that landed it, so that it lands the file again",
        delivery.path, *size, delivery.size_bytes));
  }
  return plan;
}

void add_marks(std::string_view source, const Delivery& delivery, std::string_view writer,
               std::map<std::string, std::int64_t>& marks) {
  marks[landed_mark(source, delivery.path)] = mark_version(writer);
  marks[size_mark(source, delivery.path)] = static_cast<std::int64_t>(delivery.size_bytes);
}

}  // namespace millrace::ingest
