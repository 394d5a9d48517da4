#pragma once

// Which deliveries a landing takes: decided from what the source lists and what the table's log
// says, and from nothing else.
//
// The cursor is one mark (a Delta `txn` action) per delivery, in the commit that holds its rows:
//   millrace/ingest/<source>/<path>        version: which writer landed it (mark_version), so that
//                                          a run that was cleared knows its own
//   millrace/ingest-size/<source>/<path>   version: its size in bytes then
// The second one is how a delivery that was changed afterwards is noticed. A change that keeps the
// size is not noticed; modification times change when a folder is copied and would raise false
// alarms.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "ingest/source.h"

namespace millrace::ingest {

/// The version of a mark in the table's log, or nothing.
using MarkLookup = std::function<std::optional<std::int64_t>(const std::string& app_id)>;

struct LandPlan {
  std::vector<Delivery> pending;  // to be landed, in the order of the source
  std::int64_t already = 0;       // landed before, by other runs
  /// Deliveries that were landed and changed since, as sentences that begin with the path.
  std::vector<std::string> changed;
};

/// `writer` is this run's app id: what it has landed itself (before it was cleared) is pending
/// again, changed or not. Two runs of one logical date with other parameters are two writers.
LandPlan plan_landing(std::string_view source, std::vector<Delivery> deliveries,
                      std::string_view writer, const MarkLookup& mark);

/// The marks that go into the commit that lands `delivery`.
void add_marks(std::string_view source, const Delivery& delivery, std::string_view writer,
               std::map<std::string, std::int64_t>& marks);
/// The version of the landed mark of a delivery that a cleared run had landed and now left out: it
/// is pending for every run.
inline constexpr std::int64_t kTakenBack = -1;

std::string landed_mark(std::string_view source, std::string_view path);
std::string size_mark(std::string_view source, std::string_view path);
/// A number for a writer's app id: positive, 53 bits of its SHA-256.
std::int64_t mark_version(std::string_view writer);

}  // namespace millrace::ingest
