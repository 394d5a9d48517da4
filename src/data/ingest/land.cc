#include "ingest/land.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include <fmt/core.h>

#include "base/hash.h"
#include "ingest/dead_letters.h"
#include "ingest/land_plan.h"
#include "ingest/landed_table.h"
#include "sql/names.h"

namespace millrace::ingest {
namespace {

constexpr std::size_t kFirstRejected = 5;
constexpr std::size_t kNamedDeliveries = 10;
const std::string kRows = "ingest_landing";
const std::string kLetters = "ingest_letters";

/// Drops a session's relation at the end of a scope, whatever happened in it.
class DroppedAtEnd {
 public:
  DroppedAtEnd(engine::Session& session, std::string name)
      : session_(session), name_(std::move(name)) {}
  DroppedAtEnd(const DroppedAtEnd&) = delete;
  DroppedAtEnd& operator=(const DroppedAtEnd&) = delete;
  // One that was never made, or that stays, harms nobody: the next landing replaces it.
  ~DroppedAtEnd() { static_cast<void>(session_.drop(name_)); }

 private:
  engine::Session& session_;
  std::string name_;
};

/// The newest snapshot, or null when there is no such table.
Result<lake::SnapshotPtr> newest(lake::Lake& lake, const lake::TableName& table) {
  Result<lake::SnapshotPtr> snapshot = lake.snapshot(table);
  if (!snapshot.ok() && snapshot.error().code() == ErrorCode::NotFound) return lake::SnapshotPtr();
  return snapshot;
}

std::optional<std::int64_t> mark_in(const lake::SnapshotPtr& snapshot, const std::string& app_id) {
  return snapshot == nullptr ? std::nullopt : snapshot->txn_version(app_id);
}

Marks marks_of(const lake::SnapshotPtr& snapshot) {
  Marks marks;
  if (snapshot == nullptr) return marks;
  for (const auto& [app_id, txn] : snapshot->state().txns)
    marks.emplace_hint(marks.end(), app_id, txn.version);
  return marks;
}

std::vector<lake::Mark> as_list(const Marks& marks) {
  std::vector<lake::Mark> list;
  list.reserve(marks.size());
  for (const auto& [app_id, version] : marks) list.push_back({app_id, version});
  return list;
}

/// "a; b; c; and 5 more".
std::string listed(const std::vector<std::string>& texts) {
  std::string text;
  for (std::size_t i = 0; i < std::min(texts.size(), kNamedDeliveries); ++i)
    text += (i == 0 ? "" : "; ") + texts[i];
  if (texts.size() > kNamedDeliveries)
    text += fmt::format("; and {} more", texts.size() - kNamedDeliveries);
  return text;
}

/// What is wrong with a delivery: a sentence that may begin with its path.
struct Refusal {
  std::string path;
  std::string message;
};

/// One sentence for all deliveries that have the same fault: that of the first.
std::vector<std::string> each_fault_once(const std::vector<Refusal>& refusals) {
  std::vector<std::string> faults;
  std::map<std::string, std::vector<const Refusal*>> same;
  std::vector<std::string> order;
  for (const Refusal& refusal : refusals) {
    const bool named = refusal.message.starts_with(refusal.path);
    const std::string fault = named ? refusal.message.substr(refusal.path.size()) : refusal.message;
    auto& found = same[fault];
    if (found.empty()) order.push_back(fault);
    found.push_back(&refusal);
  }
  for (const std::string& fault : order) {
    const auto& found = same[fault];
    std::string text = found.front()->message;
    if (found.size() > 1)
      text +=
          fmt::format(" (and the same of {} more, up to {})", found.size() - 1, found.back()->path);
    faults.push_back(std::move(text));
  }
  return faults;
}

/// One call of land().
class Landing {
 public:
  Landing(lake::Lake& lake, engine::Session& session, Source& source, const LandSpec& spec)
      : lake_(lake), session_(session), source_(source), spec_(spec) {}

  Result<LandReport> run();
  Result<std::string> key();

 private:
  Known known(const Marks& marks);
  Result<bool> plan();
  Status look_at_passed_over();
  Result<std::string> key_of(const Marks& marks);
  Status look_why_nothing();
  Result<bool> keeps_what_is_gone(std::int64_t generation);
  Status land();
  Status read();
  void report_deliveries();
  void report_same_content();
  Status write_letters();
  Status judge();
  Status count_rows();
  Status write_rows();
  std::string event_day() const;
  std::string landed_rows() const;
  std::string select() const;

  lake::Lake& lake_;
  engine::Session& session_;
  Source& source_;
  const LandSpec& spec_;
  lake::SnapshotPtr before_;  // of the table; null when there is none
  Marks marks_;               // of before_
  std::vector<Delivery> deliveries_;
  std::map<std::string, std::string> hashes_;  // of deliveries, by path: none is read twice for it
  std::vector<std::string> unreadable_;        // deliveries that are no files, as sentences
  LandPlan plan_;
  std::vector<DeliveryOutcome> outcomes_;  // of plan_.pending
  LandReport report_;
};

Known Landing::known(const Marks& marks) {
  return {source_.name(), spec_.writer.app_id, marks,
          [this](const Delivery& delivery) -> Result<std::string> {
            const auto found = hashes_.find(delivery.path);
            if (found != hashes_.end()) return found->second;
            std::string hash =
                TRY_DOING("hashing " + delivery.path, source_.content_hash(delivery));
            hashes_[delivery.path] = hash;
            return hash;
          }};
}

/// Decides what is to be done. False: nothing.
Result<bool> Landing::plan() {
  before_ = TRY(newest(lake_, spec_.table));
  marks_ = marks_of(before_);
  if (before_ != nullptr) report_.version = before_->version();
  const auto done = mark_in(before_, spec_.writer.app_id);
  deliveries_ = TRY(source_.list(spec_.before));
  TRY(look_at_passed_over());
  if (deliveries_.empty() && unreadable_.empty()) TRY(look_why_nothing());
  plan_ = TRY(plan_landing(known(marks_), deliveries_));
  report_.deliveries_already = plan_.already;
  if (done && *done >= spec_.writer.generation) {
    report_.version = TRY(lake_.version_of(*before_, spec_.writer));
    for (const Delivery& delivery : plan_.pending)
      if (mark_in(before_, landed_mark(source_.name(), delivery.path)).value_or(kTakenBack) !=
          kTakenBack)
        ++report_.deliveries_already;
    return false;
  }
  if (done && TRY(keeps_what_is_gone(*done))) plan_.pending.clear();
  return !plan_.pending.empty() || !plan_.changed.empty() || !unreadable_.empty();
}

/// Before the first landing this is an error; later a day may well bring nothing, and a folder may
/// have been cleaned.
Status Landing::look_why_nothing() {
  report_.why_nothing = TRY(source_.why_nothing(spec_.before));
  if (before_ != nullptr) return {};
  return Error(
      ErrorCode::NotFound,
      fmt::format(
          "landing {}: source {} has delivered nothing before {}{}; check its folder and "
          "pattern{}",
          spec_.table.text(), source_.name(), format_instant(spec_.before),
          report_.why_nothing.empty() ? "" : ": " + report_.why_nothing,
          report_.passed_over.empty() ? "" : "; passed over: " + listed(report_.passed_over)));
}

/// What has no rows is only reported; so is what took the place of a file that was landed.
Status Landing::look_at_passed_over() {
  for (const PassedOver& passed : TRY(source_.passed_over(spec_.before))) {
    const auto landed = mark_in(before_, landed_mark(source_.name(), passed.path));
    if (passed.has_rows && landed.value_or(kTakenBack) == kTakenBack)
      unreadable_.push_back(
          fmt::format("{} {}, which is not followed; deliver the file itself (a "
                      "copy, or a hard link)",
                      passed.path, passed.why));
    else
      report_.passed_over.push_back(passed.path + " " + passed.why);
  }
  return {};
}

/// A later generation replaces what its run had landed, so all of that must still be there to be
/// read. True: it is not, and what was landed stays as it is.
Result<bool> Landing::keeps_what_is_gone(std::int64_t generation) {
  const std::vector<std::string> gone = landed_and_gone(known(marks_), deliveries_);
  if (gone.empty()) return false;
  const auto is_new = [&](const Delivery& delivery) {
    return mark_in(before_, landed_mark(source_.name(), delivery.path)).value_or(kTakenBack) ==
           kTakenBack;
  };
  const bool more_to_land = std::ranges::any_of(plan_.pending, is_new);
  if (spec_.gone == Gone::Refuse || more_to_land)
    return Error(
        ErrorCode::NotFound,
        fmt::format("landing {} again for {}: its rows would be lost, since source {} no "
                    "longer delivers what they came from: {}; put it back{}",
                    spec_.table.text(), format_instant(spec_.before), source_.name(), listed(gone),
                    more_to_land ? ", or let a run of a later date land what is new" : ""));
  report_.version = TRY(lake_.version_of(*before_, {spec_.writer.app_id, generation}));
  report_.kept = gone;
  return true;
}

Status Landing::read() {
  const unsigned machine = std::max(1U, std::thread::hardware_concurrency());
  const int threads = spec_.threads > 0 ? spec_.threads : static_cast<int>(machine);
  LandingRows rows(source_, plan_.pending, threads, spec_.limits, spec_.progress);
  TRY_DOING("landing " + spec_.table.text(), session_.load(kRows, rows));
  outcomes_ = std::move(rows.outcomes());
  return {};
}

void Landing::report_deliveries() {
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    const DeliveryOutcome& outcome = outcomes_[i];
    const Delivery& delivery = plan_.pending[i];
    report_.rows_read += outcome.counts.rows;
    report_.rows_rejected += outcome.counts.rejected;
    for (const auto& [name, count] : outcome.counts.unknown_members)
      report_.unknown_members[name] += count;
    for (const RejectedRow& letter : outcome.letters)
      if (letter.row_number && report_.first_rejected.size() < kFirstRejected)
        report_.first_rejected.push_back(
            fmt::format("{}:{}: {}", delivery.path, *letter.row_number, letter.reason));
    if (outcome.refused) continue;
    ++report_.deliveries_landed;
    report_.bytes += delivery.size_bytes;
  }
}

/// A delivery without rows is like any other such.
void Landing::report_same_content() {
  auto first = landed_contents(source_.name(), marks_, plan_.pending);
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    if (outcomes_[i].refused || outcomes_[i].counts.rows == 0) continue;
    const std::string& path = plan_.pending[i].path;
    const auto [same, fresh] = first.try_emplace(content_version(outcomes_[i].counts.sha256), path);
    if (!fresh)
      report_.same_content.push_back(
          fmt::format("{} has the same content as {}", path, same->second));
  }
}

/// Commits the dead letters that are not in their table yet.
Status Landing::write_letters() {
  const lake::TableName table = TRY(rejected_table(spec_.table));
  const lake::SnapshotPtr before = TRY(newest(lake_, table));
  std::vector<LettersOf> letters;
  Marks marks;
  Sha256 all;
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    if (outcomes_[i].letters.empty()) continue;
    const LettersOf of{plan_.pending[i], outcomes_[i].letters};
    const std::string mark = dead_letter_mark(source_.name(), of);
    if (mark_in(before, mark)) continue;
    letters.push_back(of);
    marks[mark] = mark_version(spec_.writer.app_id);
    all.update(mark);
  }
  if (letters.empty()) return {};
  const DroppedAtEnd dropped(session_, kLetters);
  const auto rows = dead_letter_rows(source_.name(), letters);
  TRY(session_.load(kLetters, *rows));
  const lake::WriteSpec write{
      .writer = {fmt::format("{}/rejected/{}", spec_.writer.app_id, all.hex().substr(0, 16)), 1},
      .marks = as_list(marks),
      .based_on = before,
      .ordered = true,
      .fence = spec_.fence};
  TRY_DOING("keeping dead letters in " + table.text(),
            lake_.write(session_, table, "SELECT * FROM " + kLetters, write));
  return {};
}

/// Whether the landing goes on in spite of the refused deliveries.
Status Landing::judge() {
  std::vector<std::string> refused = plan_.changed;
  refused.insert(refused.end(), unreadable_.begin(), unreadable_.end());
  std::size_t count = refused.size();
  ErrorCode code = ErrorCode::DataQuality;
  std::vector<Refusal> unusable;
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    const auto& why = outcomes_[i].refused;
    if (!why) continue;
    if (count++ == 0) code = why->code();
    unusable.push_back({plan_.pending[i].path, why->message()});
  }
  if (count == 0) return {};
  if (spec_.on_bad_file == OnBadFile::Skip) {
    for (const Refusal& each : unusable) refused.push_back(each.message);
    report_.skipped = std::move(refused);
    return {};
  }
  // Of a delivery that was not read (it changed after it had landed, or cannot be opened) no row is kept.
  const std::string kept =
      unusable.empty()
          ? ""
          : fmt::format(" Bad rows and reasons are kept in {}__rejected.", spec_.table.text());
  const auto faults = each_fault_once(unusable);
  refused.insert(refused.end(), faults.begin(), faults.end());
  return Error(
      code, fmt::format("landing {}: {} of {} deliveries cannot be landed, so nothing was landed: "
                        "{}.{} Mend the delivery, or set on_bad_file: skip to land the others",
                        spec_.table.text(), count,
                        plan_.pending.size() + plan_.changed.size() + unreadable_.size(),
                        listed(refused), kept));
}

std::string Landing::event_day() const {
  return fmt::format("CAST({} AS DATE)", sql::quote_identifier(spec_.event_time));
}

/// The landing table without the rows of refused deliveries.
std::string Landing::landed_rows() const {
  std::string refused;
  for (std::size_t i = 0; i < outcomes_.size(); ++i)
    if (outcomes_[i].refused)
      refused += (refused.empty() ? "" : ", ") + sql::quote_literal(plan_.pending[i].path);
  if (refused.empty()) return kRows;
  return fmt::format("(SELECT * FROM {} WHERE {} NOT IN ({}))", kRows, sql::quote_identifier(kFile),
                     refused);
}

std::string Landing::select() const {
  std::string columns;
  const columnar::Schema schema = arrived(source_);
  for (const columnar::Field& field : schema.fields())
    if (field.name != kDeliveryDay)
      columns += (columns.empty() ? "" : ", ") + sql::quote_identifier(field.name);
  if (!spec_.event_time.empty())
    columns += fmt::format(", {} AS {}", event_day(), sql::quote_identifier(spec_.partition));
  return fmt::format("SELECT {} FROM {}", columns, landed_rows());
}

Status Landing::count_rows() {
  std::string counts = "count(*), 0, 0";
  if (!spec_.event_time.empty())
    counts = fmt::format("count(*), count(*) FILTER (WHERE {0} < {1}), count(DISTINCT {0})",
                         event_day(), sql::quote_identifier(kDeliveryDay));
  const auto answer =
      TRY(session_.collect(fmt::format("SELECT {} FROM {}", counts, landed_rows()), 1));
  const columnar::RecordBatch& row = answer.at(0);
  report_.rows_landed = row.column(0).integer(0);
  report_.rows_late = row.column(1).integer(0);
  report_.partitions = row.column(2).integer(0);
  return {};
}

Status Landing::write_rows() {
  Marks marks;
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    const Delivery& delivery = plan_.pending[i];
    const std::string mark = landed_mark(source_.name(), delivery.path);
    if (!outcomes_[i].refused)
      add_marks(source_.name(), delivery, outcomes_[i].counts.sha256, spec_.writer.app_id, marks);
    else if (mark_in(before_, mark))  // this run, before it was cleared, had landed it
      marks[mark] = kTakenBack;
  }
  if (marks.empty()) return {};
  for (const Delivery& delivery : plan_.touched)  // so that it need not be read again
    marks[modified_mark(source_.name(), delivery.path)] = microseconds(delivery.modified);
  const std::string event_time = event_time_mark(source_.name());
  if (!spec_.event_time.empty() && !mark_in(before_, event_time))
    marks[event_time] = mark_version(spec_.event_time);
  lake::WriteSpec write{
      .writer = spec_.writer,
      .partition_by = {},
      .marks = as_list(marks),
      .based_on = before_,
      .ordered = true,
      .schema_change = lake::SchemaChange::AddColumns,
      .user_metadata = Json::object({{"source", source_.name()},
                                     {"logical_date", format_instant(spec_.before)},
                                     {"deliveries", report_.deliveries_landed},
                                     {"rows_rejected", report_.rows_rejected}}),
      .fence = spec_.fence};
  if (!spec_.event_time.empty()) write.partition_by = {spec_.partition};
  const lake::Committed committed = TRY_DOING("landing " + spec_.table.text(),
                                              lake_.write(session_, spec_.table, select(), write));
  report_.version = committed.version;
  report_.changed = !committed.already_done;
  return {};
}

Status Landing::land() {
  if (before_ != nullptr) TRY(check_landed(*before_, source_, spec_));
  const DroppedAtEnd dropped(session_, kRows);
  TRY(read());
  report_deliveries();
  report_same_content();
  TRY(write_letters());
  TRY(judge());
  TRY(count_rows());
  return write_rows();
}

Result<LandReport> Landing::run() {
  TRY(check_land_spec(spec_, source_));
  if (TRY(plan())) TRY(land());
  report_.key = TRY(key_of(marks_of(TRY(newest(lake_, spec_.table)))));
  return report_;
}

Result<std::string> Landing::key() {
  before_ = TRY(newest(lake_, spec_.table));
  deliveries_ = TRY(source_.list(spec_.before));
  TRY(look_at_passed_over());
  return key_of(marks_of(before_));
}

/// What cannot be read decides too: a landing may refuse it.
Result<std::string> Landing::key_of(const Marks& marks) {
  return sha256_hex( TRY(landing_key(known(marks), deliveries_)) + Json(unreadable_).dump());
}

}  // namespace

Result<LandReport> land(lake::Lake& lake, engine::Session& session, Source& source,
                        const LandSpec& spec) {
  return Landing(lake, session, source, spec).run();
}

Result<std::string> key_of_landing(lake::Lake& lake, engine::Session& session, Source& source,
                                   const LandSpec& spec) {
  return Landing(lake, session, source, spec).key();
}

Result<lake::TableName> rejected_table(const lake::TableName& table) {
  return lake::TableName::parse(table.text() + "__rejected");
}

}  // namespace millrace::ingest
