#include "ingest/land_plan.h"

#include <fmt/core.h>

namespace millrace::ingest {

std::string landed_mark(std::string_view source, std::string_view path) {
  return fmt::format("millrace/ingest/{}/{}", source, path);
}

std::string size_mark(std::string_view source, std::string_view path) {
  return fmt::format("millrace/ingest-size/{}/{}", source, path);
}

std::int64_t mark_version(Instant logical_date) {
  return std::chrono::floor<std::chrono::seconds>(logical_date).time_since_epoch().count();
}

LandPlan plan_landing(std::string_view source, std::vector<Delivery> deliveries,
                      Instant logical_date, const MarkLookup& mark) {
  LandPlan plan;
  for (Delivery& delivery : deliveries) {
    const auto landed_by = mark(landed_mark(source, delivery.path));
    if (!landed_by || *landed_by == mark_version(logical_date)) {
      plan.pending.push_back(std::move(delivery));
      continue;
    }
    ++plan.already;
    const auto size = mark(size_mark(source, delivery.path));
    if (!size || *size == static_cast<std::int64_t>(delivery.size_bytes)) continue;
    const Instant run{std::chrono::seconds(*landed_by)};
    plan.changed.push_back(fmt::format(
        "{} was landed with {} bytes by the run of {} and has {} now; deliveries do not change: "
        "deliver the correction under another name, or clear that run so that it lands the file "
        "again",
        delivery.path, *size, format_instant(run), delivery.size_bytes));
  }
  return plan;
}

void add_marks(std::string_view source, const Delivery& delivery, Instant logical_date,
               std::map<std::string, std::int64_t>& marks) {
  marks[landed_mark(source, delivery.path)] = mark_version(logical_date);
  marks[size_mark(source, delivery.path)] = static_cast<std::int64_t>(delivery.size_bytes);
}

}  // namespace millrace::ingest
