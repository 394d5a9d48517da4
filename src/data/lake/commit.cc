#include "lake/commit.h"

#include <fmt/core.h>

#include "base/id.h"
#include "lake/log.h"

namespace millrace::lake {

namespace {

std::string commit_text(const Proposal& proposal, const std::string& txn_id, Instant now) {
  const CommitDescription& description = proposal.description;
  Json info = Json::object({{"timestamp", to_milliseconds(now)},
                            {"operation", description.operation},
                            {"operationParameters", description.parameters},
                            {"operationMetrics", description.metrics},
                            {"isBlindAppend", description.is_blind_append},
                            {"engineInfo", engine_info()},
                            {"txnId", txn_id}});
  if (proposal.base) info.set("readVersion", proposal.base->value());
  // A text, since that is what other readers expect of it.
  if (!description.user_metadata.is_null()) {
    info.set("userMetadata", description.user_metadata.dump());
  }
  Actions actions = proposal.actions;
  actions.commit_info = info.dump();
  return to_json_lines(actions);
}

bool has_txn_id(std::string_view commit_text, const std::string& txn_id) {
  const Result<Actions> actions = parse_actions(commit_text);
  if (!actions.ok() || !actions->commit_info) return false;
  const Result<Json> info = Json::parse(*actions->commit_info);
  return info.ok() && info->string_or("txnId", "") == txn_id;
}

bool is_unanswered(const Error& error) {
  return error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::Timeout;
}

class Committer {
 public:
  Committer(storage::ObjectStore& store, const Clock& clock, const Proposal& proposal)
      : store_(store), clock_(clock), proposal_(proposal) {}

  CommitOutcome run() {
    Version target = proposal_.base ? proposal_.base->next() : Version(0);
    for (int race = 0; race <= kMostRaces; ++race) {
      Result<Put> put = put_at(target);
      if (!put.ok()) return failure(std::move(put).error());
      if (*put == Put::Ours) return {CommitOutcome::Kind::Committed, target};
      may_have_landed_ = false;  // the place is another's, for good
      if (!proposal_.base) return table_appeared();
      Result<Winners> winners = check_winners(target);
      if (!winners.ok()) return failure(std::move(winners).error());
      if (winners->ours) return {CommitOutcome::Kind::AlreadyDone, *winners->ours};
      target = winners->last.next();
    }
    return failure(Error(ErrorCode::Conflict,
                         fmt::format("table {}: others committed {} times while this commit "
                                     "tried to; run it again",
                                     proposal_.table.text(), kMostRaces + 1)));
  }

 private:
  enum class Put { Ours, Taken };
  struct Winners {
    Version last;
    std::optional<Version> ours;
  };

  Result<Put> put_at(Version version) {
    const std::string key = commit_key(proposal_.table, version);
    const std::string txn_id = new_uuid();
    const std::string text = commit_text(proposal_, txn_id, clock_.now());
    Status last;
    for (int attempt = 0; attempt < kMostPuts; ++attempt) {
      if (proposal_.fence) {
        Status allowed = proposal_.fence();
        if (!allowed.ok()) return fenced_off(key, txn_id, std::move(allowed).error());
      }
      last = store_.put_if_absent(key, text);
      if (last.ok()) return Put::Ours;
      if (last.error().code() == ErrorCode::AlreadyExists) {
        may_have_landed_ = true;  // a request that was sent twice meets itself
        Result<std::string> found = store_.get(key);
        if (found.ok() && !has_txn_id(*found, txn_id)) return Put::Taken;
        if (found.ok()) return ours_as_found();
        last = std::move(found).error();
      } else if (is_unanswered(last.error())) {
        may_have_landed_ = true;
      }
      if (!is_unanswered(last.error())) break;
    }
    return std::move(last).error().while_doing("committing " + key);
  }

  /// No put of ours returned ok, so that what was read is not known to be on disk.
  Result<Put> ours_as_found() {
    TRY(store_.make_durable(log_folder(proposal_.table)));
    return Put::Ours;
  }

  /// The fence has closed. An earlier put of this place may have got through all the same.
  Result<Put> fenced_off(const std::string& key, const std::string& txn_id, Error why) {
    if (may_have_landed_) {
      const Result<std::string> found = store_.get(key);
      if (found.ok() && has_txn_id(*found, txn_id)) return ours_as_found();
      if (found.ok()) may_have_landed_ = false;  // another's
    }
    return why;
  }

  /// Reads every commit from `first` on and holds ours against it.
  Result<Winners> check_winners(Version first) {
    const LogListing listing = TRY(list_log(store_, proposal_.table, first));
    Winners winners{.last = Version(first.value() - 1)};
    for (const CommitEntry& entry : listing.commits) {
      if (entry.version != winners.last.next()) {
        return Error(ErrorCode::Corruption,
                     fmt::format("the log has a gap, {} is missing; restore the file",
                                 commit_key(proposal_.table, winners.last.next())));
      }
      winners.last = entry.version;
      const Actions actions = TRY(read_commit(store_, entry.key));
      const std::string doing = fmt::format("table {}: version {} was committed meanwhile",
                                            proposal_.table.text(), entry.version.value());
      if (TRY_DOING(doing, check_conflict(actions, proposal_.intent)) == Standing::AlreadyDone) {
        winners.ours = entry.version;
        return winners;
      }
    }
    return winners;
  }

  CommitOutcome table_appeared() const {
    CommitOutcome outcome{
        .error = Error(ErrorCode::Conflict, fmt::format("table {} was made by another writer "
                                                        "meanwhile; run it again",
                                                        proposal_.table.text()))};
    outcome.table_appeared = true;
    return outcome;
  }

  CommitOutcome failure(Error error) const {
    return {.kind = may_have_landed_ ? CommitOutcome::Kind::Unknown : CommitOutcome::Kind::Failed,
            .error = std::move(error)};
  }

  storage::ObjectStore& store_;
  const Clock& clock_;
  const Proposal& proposal_;
  bool may_have_landed_ = false;
};

}  // namespace

CommitOutcome commit(storage::ObjectStore& store, const Clock& clock, const Proposal& proposal) {
  return Committer(store, clock, proposal).run();
}

std::string engine_info() {
  return "millrace/" MILLRACE_VERSION;
}

std::int64_t to_milliseconds(Instant instant) {
  return std::chrono::floor<std::chrono::milliseconds>(instant).time_since_epoch().count();
}

}  // namespace millrace::lake
