#pragma once

// Which deliveries a landing takes: decided from what the source lists and what the table's log
// says.
//
// The cursor is a few marks (Delta `txn` actions) per delivery, in the commit that holds its rows:
//   millrace/ingest/<source>/<path>           version: which writer landed it (mark_version), so
//                                             that a run that was cleared knows its own
//   millrace/ingest-size/<source>/<path>      version: its size in bytes then
//   millrace/ingest-content/<source>/<path>   version: of its bytes then (content_version)
//   millrace/ingest-modified/<source>/<path>  version: when they had been written (microseconds)
// The last three of these are how a delivery that was changed afterwards is noticed. What decides are size
// and content. While size and modification time are those of the marks, the bytes are not read
// again; a copied folder has other times, and its files are read once more. The first landing says
// beside them by which column it partitioned the table (event_time_mark), so that no later one does
// it by another.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "ingest/source.h"

namespace millrace::ingest {

/// The marks of a table by app id.
using Marks = std::map<std::string, std::int64_t>;

/// What is known of deliveries before they are read: the marks of the table, and how the bytes of
/// one are hashed (Source::content_hash).
struct Known {
  std::string source;
  std::string writer;  // the run's app id
  const Marks& marks;
  std::function<Result<std::string>(const Delivery&)> content_hash;
};

struct LandPlan {
  std::vector<Delivery> pending;  // to be landed, in the order of the source
  std::int64_t already = 0;       // landed before, by other runs
  /// Deliveries that were landed and changed since, as sentences that begin with the path.
  std::vector<std::string> changed;
  /// Those that were landed and are the same, but for their modification time.
  std::vector<Delivery> touched;
};

/// What this run has landed itself (before it was cleared) is pending again, changed or not. Two
/// runs of one logical date with other parameters are two writers. Errors: those of the hash.
Result<LandPlan> plan_landing(const Known& known, std::vector<Delivery> deliveries);

/// Of what this run has landed, the paths that are not among `deliveries`.
std::vector<std::string> landed_and_gone(const Known& known,
                                         const std::vector<Delivery>& deliveries);

/// A hash of all by which a landing of these deliveries is decided: what this run has landed, by its
/// bytes (also where it is no longer delivered), what is pending, and what of others has changed. It
/// is the same after the landing and whenever nothing has come or changed since. Errors: those of
/// the hash.
Result<std::string> landing_key(const Known& known, const std::vector<Delivery>& deliveries);

/// The marks that go into the commit that lands `delivery`, whose bytes have this SHA-256.
void add_marks(std::string_view source, const Delivery& delivery, std::string_view sha256,
               std::string_view writer, Marks& marks);
/// The version of the landed mark of a delivery that a cleared run had landed and now left out: it
/// is pending for every run.
inline constexpr std::int64_t kTakenBack = -1;

/// The deliveries of the source that have landed and are not among `pending`, by their content
/// (content_version): of several with the same one, the first by name.
std::map<std::int64_t, std::string> landed_contents(std::string_view source, const Marks& marks,
                                                    const std::vector<Delivery>& pending);

std::string landed_mark(std::string_view source, std::string_view path);
std::string size_mark(std::string_view source, std::string_view path);
std::string content_mark(std::string_view source, std::string_view path);
std::string modified_mark(std::string_view source, std::string_view path);
/// The source of a landed mark; nothing for any other txn.
std::optional<std::string> source_of_mark(std::string_view app_id);
/// One of the source in the table: by which column its rows are partitioned (mark_version of its
/// name).
std::string event_time_mark(std::string_view source);
/// As in modified_mark.
std::int64_t microseconds(Instant moment);
/// A number for a name (a writer's app id, a column's): positive, 53 bits of its SHA-256.
std::int64_t mark_version(std::string_view name);
/// The first 53 bits of a SHA-256 in hexadecimal digits.
std::int64_t content_version(std::string_view sha256);

}  // namespace millrace::ingest
