#pragma once

// The next entry of a table's log, put there once and by one writer only.
//
// A commit is put_if_absent of "<version>.json". Whoever finds the place taken reads every commit
// that won, checks by the rules of conflict.h that its own still means the same, and tries the
// place after them. When the store does not answer, the same put is tried again, and a taken place
// is ours when its commitInfo carries our txnId: so a lost answer neither loses a commit nor makes
// it twice.

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "lake/actions.h"
#include "lake/conflict.h"
#include "lake/table_name.h"
#include "storage/object_store.h"

namespace millrace::lake {

/// How often the places that others won are skipped, and how often an unanswered put is tried.
constexpr int kMostRaces = 15;
constexpr int kMostPuts = 4;

/// What commitInfo says, for people and for `history`.
struct CommitDescription {
  std::string operation;  // "WRITE"
  Json parameters = Json::object();
  Json metrics = Json::object();
  Json user_metadata;
  bool is_blind_append = false;
};

struct Proposal {
  TableName table;
  /// The version that it was made from; nothing for a new table.
  std::optional<Version> base;
  Actions actions;  // without commit_info
  Intent intent;
  CommitDescription description;
  /// Asked before each put; a failure ends the commit. May be empty.
  std::function<Status()> fence;
};

/// What became of a proposal. Not a Result, because what may be cleaned up afterwards depends on
/// how it failed.
struct CommitOutcome {
  enum class Kind {
    Committed,    // at `version`
    AlreadyDone,  // `version` is our own work, by another attempt
    Failed,       // the log does not hold it and never will
    Unknown,      // the store did not say; the log may hold it. Its files must stay
  };
  Kind kind = Kind::Failed;
  Version version;
  /// For Failed and Unknown. Conflict: others changed what it depends on, or it lost too many
  /// races. Denied and others: from the fence or the store.
  std::optional<Error> error;
  /// For Failed: another writer made the table meanwhile.
  bool table_appeared = false;
};

CommitOutcome commit(storage::ObjectStore& store, const Clock& clock, const Proposal& proposal);

/// "millrace/0.1.0"
std::string engine_info();

/// Whole milliseconds since 1970, as the log writes moments.
std::int64_t to_milliseconds(Instant instant);

}  // namespace millrace::lake
