#pragma once

// Whether a commit still means the same after another one won its place in the log.
//
// Isolation is serialisable, as delta-spark's default: what a commit read must not have changed.
// Pure: both commits are values. Source: delta-io/delta ConflictChecker.scala for the order of the
// rules; the rule about one's own application is ours (idempotent writes).

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "columnar/schema.h"
#include "lake/actions.h"
#include "lake/value.h"

namespace millrace::lake {

/// Who writes, and how often its input was declared changed. Retries of one attempt are equal; a
/// cleared run counts one up.
struct Writer {
  std::string app_id;  // Dag, run, task and table
  std::int64_t generation = 0;

  bool operator==(const Writer&) const = default;
};

/// The partition values of a file in the order of the partition columns, made comparable: two
/// spellings of one value are equal.
using PartitionKey = std::vector<std::optional<Value>>;
PartitionKey partition_key(const PartitionValues& values, const columnar::Schema& schema,
                           const std::vector<std::string>& partition_columns);

/// Which rows of the table a commit depends on.
struct ReadScope {
  bool whole_table = false;
  std::set<PartitionKey> partitions;
};

/// What is asked of the rules about our own commit.
struct Intent {
  Writer writer;                  // an empty app_id: none
  std::set<std::string> marks;    // app_ids of further txn actions
  std::set<std::string> removes;  // FileName::key() of each
  ReadScope reads;
  columnar::Schema schema;  // of the table
  std::vector<std::string> partition_columns;
};

/// How our commit stands to one that won.
enum class Standing {
  Compatible,   // our commit may follow this one
  AlreadyDone,  // it is our own work, by another attempt
};

/// Errors: Conflict says what the winner changed.
Result<Standing> check_conflict(const Actions& winner, const Intent& ours);

}  // namespace millrace::lake
