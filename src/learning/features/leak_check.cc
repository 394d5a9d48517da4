#include "features/leak_check.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/core.h>

#include "base/suggest.h"
#include "base/text.h"
#include "features/point_in_time.h"
#include "features/sampling.h"
#include "sql/names.h"
#include "sql/references.h"

namespace millrace::features {
namespace {

using columnar::Kind;
using columnar::Schema;
using sql::quote_identifier;
using sql::quote_literal;

constexpr int kMostSampled = 10'000;
constexpr std::size_t kExamples = 5;
// Our columns of the recorded rows; the dot keeps them apart from columns of users.
constexpr const char* kRow = "leak.row";
constexpr const char* kGroup = "leak.group";
constexpr const char* kTime = "leak.time";
// Our relations.
constexpr const char* kRecorded = "leak_check_recorded";
constexpr const char* kLabels = "leak_check_labels";
constexpr const char* kRecomputed = "leak_check_recomputed";
constexpr const char* kScales = "leak_check_scales";
/// What another order of summation may change: a billionth, written as SQL. A double has 16 digits,
/// and a model takes 32-bit floats, of 7.
constexpr const char* kRounding = "1e-9";

std::string base_copy(std::size_t i) {
  return fmt::format("leak_check_base_{}", i);
}

/// The sampled rows with one scoring time.
struct Group {
  std::string time;                                          // as a TIMESTAMP is printed, UTC
  std::map<std::string, std::vector<std::string>> entities;  // label column -> SQL literals
};

class LeakChecker {
 public:
  LeakChecker(engine::Session& session, const LeakCheck& check)
      : session_(session), check_(check) {}

  Result<LeakReport> run() {
    TRY(check_inputs());
    TRY_DOING("leak check", take_over_relations());
    TRY_DOING("leak check", record_sample());
    check_joined_columns();
    TRY_DOING("leak check: known_at", check_known_columns());
    const Status recomputed = recompute_all();
    // Whole again, whatever happened: who looks at the session next sees every row.
    for (std::size_t i = 0; i < check_.bases.size(); ++i)
      TRY_DOING("leak check", define_base(i, ""));
    TRY_DOING("leak check", Status(recomputed));
    TRY_DOING("leak check: comparing", compare());
    verdict_.passed = verdict_.leaks.empty() && verdict_.refused.empty();
    return verdict_;
  }

 private:
  Status check_inputs() const;
  Status take_over_relations();
  Status check_sources();
  Status define_base(std::size_t i, const std::string& until);
  Status check_columns(const Schema& training, const PointInTimeJoin& join);
  Status record_sample();
  Result<std::map<std::int64_t, Group>> read_groups();
  void check_joined_columns();
  Status check_known_columns();
  Status recompute_all();
  Status compare();
  static std::string pairs();
  const columnar::DataType& type_of(const std::string& column) const;
  Result<std::vector<LeakExample>> examples_of(const std::string& feature);
  std::string key_list(const std::string& prefix) const;

  engine::Session& session_;
  const LeakCheck& check_;
  std::vector<std::string> joined_columns_;
  Schema training_;
  LeakReport verdict_;
};

Status LeakChecker::check_inputs() const {
  if (check_.sample < 1 || check_.sample > kMostSampled)
    return Error(ErrorCode::Invalid, fmt::format("leak check: sample: expected 1 to {}, found {}",
                                                 kMostSampled, check_.sample));
  for (const AvailableTable& base : check_.bases)
    if (base.available_at.empty())
      return Error(
          ErrorCode::Invalid,
          fmt::format("leak check: the table {} declares no column that says when a row was "
                      "delivered (available_at); without it nobody can tell what was known "
                      "when, so it cannot be checked",
                      base.name));
  std::vector<std::string> known;
  known.reserve(check_.bases.size() + check_.views.size());
  for (const AvailableTable& base : check_.bases) known.push_back(base.name);
  for (const auto& [name, select] : check_.views) known.push_back(name);
  for (const FeatureReference& reference : check_.set.features) {
    const std::string& source = view_named(reference.view, check_.feature_views).source;
    if (std::find(known.begin(), known.end(), source) == known.end())
      return Error(ErrorCode::Invalid,
                   fmt::format("leak check: the source {} of the feature view {} is neither a base "
                               "table nor a SQL model of the check, so it cannot be cut{}",
                               source, reference.view, suggestion(source, known)));
  }
  return {};
}

/// Copies the bases, which may be files, into the session once, and defines everything over the
/// copies.
Status LeakChecker::take_over_relations() {
  for (std::size_t i = 0; i < check_.bases.size(); ++i) {
    const AvailableTable& base = check_.bases[i];
    const std::string source = TRY(sql::quoted_table_name(base.name));
    const Schema schema = TRY(session_.bind("SELECT * FROM " + source)).result;
    const auto place = schema.index_of(base.available_at);
    if (!place)
      return Error(ErrorCode::NotFound,
                   fmt::format("the table {} has no column '{}' (available_at){}", base.name,
                               base.available_at, suggestion(base.available_at, schema.names())));
    const Kind kind = schema[*place].type.kind;
    if (kind != Kind::Timestamp && kind != Kind::TimestampNtz)
      return Error(
          ErrorCode::Invalid,
          fmt::format("{}.{} is {}; the time of delivery is a TIMESTAMP: a date would hide "
                      "what came later that day",
                      base.name, base.available_at, columnar::to_sql(schema[*place].type)));
    TRY(session_.execute(
        fmt::format("CREATE OR REPLACE TABLE {} AS SELECT * FROM {}", base_copy(i), source)));
    TRY(define_base(i, ""));
  }
  for (const auto& [name, select] : check_.views)
    TRY_DOING("SQL model " + name, session_.define_view(name, select));
  return check_sources();
}

/// What the features are made of must be base tables, all the way down: anything else stays whole
/// when the bases are cut, and would hide a leak.
Status LeakChecker::check_sources() {
  std::set<std::string> cut;
  for (std::size_t i = 0; i < check_.bases.size(); ++i) cut.insert(base_copy(i));
  std::set<std::string> sources;
  for (const FeatureReference& reference : check_.set.features)
    sources.insert(view_named(reference.view, check_.feature_views).source);
  for (const std::string& source : sources) {
    const auto bound = TRY(session_.bind("SELECT * FROM " + TRY(sql::quoted_table_name(source))));
    const sql::References found = TRY(sql::find_references(bound.plan, bound.result));
    std::string other;
    for (const std::string& table : found.reads)
      if (!cut.contains(table)) other = "the relation " + table;
    if (!found.files_read.empty()) other = "the file " + *found.files_read.begin();
    if (!found.not_understood.empty()) other = found.not_understood.front();
    if (!other.empty())
      return Error(
          ErrorCode::Invalid,
          fmt::format("{} is made of {}, which is no base table of the check and so cannot "
                      "be cut to a time; declare it, with its available_at",
                      source, other));
  }
  return {};
}

/// The base as it was at `until`, or all of it when empty.
Status LeakChecker::define_base(std::size_t i, const std::string& until) {
  const AvailableTable& base = check_.bases[i];
  std::string select = "SELECT * FROM " + base_copy(i);
  if (!until.empty())
    select += fmt::format(" WHERE CAST({} AS TIMESTAMP) <= TIMESTAMP {}",
                          quote_identifier(base.available_at), quote_literal(until));
  return session_.define_view(base.name, select);
}

std::string LeakChecker::key_list(const std::string& prefix) const {
  std::string list;
  for (const std::string& column : check_.set.key)
    list += (list.empty() ? "" : ", ") + prefix + quote_identifier(column);
  return list;
}

/// Every column of the training rows must be one that the set declares.
Status LeakChecker::check_columns(const Schema& training, const PointInTimeJoin& join) {
  std::vector<std::string> declared = join.label_columns();
  for (const FeatureReference& reference : check_.set.features) declared.push_back(reference.alias);
  for (const std::string& name : declared)
    if (!training.index_of(name))
      return Error(ErrorCode::NotFound,
                   fmt::format("the training rows {} have no column '{}'{}", check_.training, name,
                               suggestion(name, training.names())));
  std::set<std::string> folded;
  for (const std::string& name : declared) folded.insert(fold_case(name));
  for (const std::string& name : training.names())
    if (!folded.contains(fold_case(name)))
      verdict_.refused.push_back(
          {name,
           "the training set does not declare it, so nothing says when it was known; declare "
           "it as a feature or a request column, or leave it out"});
  return {};
}

/// Picks the rows and keeps them as they were recorded, numbered and grouped by scoring time.
Status LeakChecker::record_sample() {
  const std::string training = TRY(sql::quoted_table_name(check_.training));
  training_ = TRY(session_.bind("SELECT * FROM " + training)).result;
  const PointInTimeJoin join =
      TRY(PointInTimeJoin::bind(session_, check_.set, check_.feature_views));
  TRY(check_columns(training_, join));
  joined_columns_ = joined_columns(check_.set, check_.feature_views);
  const auto picked = TRY(sample_keys(session_, training, check_.set.key, check_.set.split,
                                      static_cast<std::size_t>(check_.sample), check_.seed));
  if (picked.empty())
    return Error(
        ErrorCode::DataQuality,
        fmt::format("{} holds no row with a key, so nothing can be checked", check_.training));
  std::string keys;
  for (const RowKey& key : picked) {
    keys += keys.empty() ? "(" : ", (";
    for (std::size_t i = 0; i < key.size(); ++i)
      keys += (i == 0 ? "" : ", ") + quote_literal(key[i]);
    keys += ")";
  }
  std::string texts;
  for (const std::string& column : check_.set.key)
    texts += (texts.empty() ? "" : ", ") + ("CAST(" + quote_identifier(column) + " AS VARCHAR)");
  const std::string time = "CAST(" + quote_identifier(check_.set.timestamp) + " AS TIMESTAMP)";
  TRY(session_.execute(
      fmt::format("CREATE OR REPLACE TABLE {} AS SELECT row_number() OVER (ORDER BY {}) AS {}, "
                  "dense_rank() OVER "
                  "(ORDER BY {}) AS {}, {} AS {}, * FROM {} WHERE ({}) IN ({})",
                  kRecorded, key_list(""), quote_identifier(kRow), time, quote_identifier(kGroup),
                  time, quote_identifier(kTime), training, texts, keys)));
  const auto counts = TRY(session_.collect(
      fmt::format(
          "SELECT count(*), count(DISTINCT {0}), count(*) FILTER (WHERE {0} IS NULL) FROM {1}",
          quote_identifier(kTime), kRecorded),
      1));
  verdict_.sampled = counts.front().column(0).integer(0);
  verdict_.scoring_times = counts.front().column(1).integer(0);
  if (counts.front().column(2).integer(0) > 0)
    return Error(ErrorCode::DataQuality, fmt::format("a row of {} has no scoring time ({})",
                                                     check_.training, check_.set.timestamp));
  return {};
}

/// A column that features are joined by picks their values, so it must say when it is known, as a
/// request column does.
void LeakChecker::check_joined_columns() {
  for (const std::string& name : undeclared_joined_columns(check_.set, check_.feature_views))
    verdict_.refused.push_back({name, std::string(kUndeclaredJoin)});
}

/// Whether everything that was taken from the label row was known by the scoring time, by its own
/// account.
Status LeakChecker::check_known_columns() {
  std::vector<KnownColumn> columns = check_.set.request_columns;
  columns.insert(columns.end(), check_.set.entity_columns.begin(), check_.set.entity_columns.end());
  if (columns.empty()) return {};
  const std::string labels = TRY(sql::quoted_table_name(check_.set.labels));
  std::string select;
  std::string late;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    select += fmt::format(", CAST(({}) AS TIMESTAMP) AS \"known.{}\"", columns[i].known_at, i);
    // A label row may have twins: the latest account counts, and none at all is too late.
    late +=
        fmt::format(", count(DISTINCT r.{0}) FILTER (WHERE (l.\"known.{1}\" <= r.{2}) IS NOT TRUE)",
                    quote_identifier(kRow), i, quote_identifier(kTime));
  }
  std::string on;
  for (const std::string& column : check_.set.key)
    on += fmt::format("{}l.{} = r.{}", on.empty() ? "" : " AND ", quote_identifier(column),
                      quote_identifier(column));
  const auto rows = TRY(session_.collect(
      fmt::format(
          "SELECT count(DISTINCT r.{}) - count(DISTINCT r.{}) FILTER (WHERE l.here){} FROM {} "
          "AS r LEFT JOIN (SELECT true AS here, {}{} FROM {}) AS l ON {}",
          quote_identifier(kRow), quote_identifier(kRow), late, kRecorded, key_list(""), select,
          labels, on),
      1));
  const std::int64_t absent = rows.front().column(0).integer(0);
  if (absent > 0)
    return Error(ErrorCode::DataQuality,
                 fmt::format("{} of {} sampled training rows are not in {} any more", absent,
                             verdict_.sampled, check_.set.labels));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::int64_t count = rows.front().column(i + 1).integer(0);
    if (count > 0)
      verdict_.refused.push_back(
          {columns[i].name,
           fmt::format("known at {}, which is after the scoring time (or unknown) in {} of {} rows",
                       columns[i].known_at, count, verdict_.sampled)});
  }
  return {};
}

Result<std::map<std::int64_t, Group>> LeakChecker::read_groups() {
  std::string select = fmt::format("CAST({} AS BIGINT), CAST({} AS VARCHAR)",
                                   quote_identifier(kGroup), quote_identifier(kTime));
  for (const std::string& column : joined_columns_)
    select += ", CAST(" + quote_identifier(column) + " AS VARCHAR)";
  std::map<std::int64_t, Group> groups;
  for (const auto& rows :
       TRY(session_.collect(fmt::format("SELECT {} FROM {}", select, kRecorded))))
    for (std::size_t row = 0; row < rows.row_count(); ++row) {
      Group& group = groups[rows.column(0).integer(row)];
      group.time = rows.column(1).text(row);
      for (std::size_t i = 0; i < joined_columns_.size(); ++i) {
        if (rows.column(i + 2).is_null(row)) continue;
        const columnar::DataType& type = type_of(joined_columns_[i]);
        group.entities[joined_columns_[i]].push_back(fmt::format(
            "CAST({} AS {})", quote_literal(rows.column(i + 2).text(row)), columnar::to_sql(type)));
      }
    }
  return groups;
}

/// Makes the features of each group again, on the tables as they were at its scoring time.
Status LeakChecker::recompute_all() {
  TrainingSet blind = check_.set;
  blind.labels = kLabels;
  blind.key = {kRow};
  blind.label.clear();
  blind.split.clear();
  std::string known = quote_identifier(kRow);
  std::vector<std::string> carried = joined_columns_;
  carried.push_back(blind.timestamp);
  for (const KnownColumn& column : blind.request_columns) carried.push_back(column.name);
  std::set<std::string> once;
  for (const std::string& column : carried)
    if (once.insert(fold_case(column)).second) known += ", " + quote_identifier(column);

  const auto define_labels = [&](std::int64_t group) {
    return session_.define_view(kLabels, fmt::format("SELECT {} FROM {} WHERE {} = {}", known,
                                                     kRecorded, quote_identifier(kGroup), group));
  };
  std::string into = fmt::format("CREATE OR REPLACE TABLE {} AS ", kRecomputed);
  TRY(define_labels(1));
  const PointInTimeJoin join = TRY(PointInTimeJoin::bind(session_, blind, check_.feature_views));
  std::int64_t done = 0;
  for (const auto& [number, group] : TRY(read_groups())) {
    if (check_.progress) check_.progress(done++, verdict_.scoring_times);
    TRY(define_labels(number));
    for (std::size_t i = 0; i < check_.bases.size(); ++i) TRY(define_base(i, group.time));
    TRY_DOING("making the features as of " + group.time,
              session_.execute(into + join.select({"", group.entities})));
    into = fmt::format("INSERT INTO {} ", kRecomputed);
  }
  return {};
}

/// Between r, a row as it was recorded, and c, the same made again; s has the greatest magnitudes.
std::string differs(const std::string& name, Kind kind) {
  std::string distinct = fmt::format("r.{0} IS DISTINCT FROM c.{0}", name);
  if (kind != Kind::Float32 && kind != Kind::Float64) return distinct;
  // Halves: the difference of two doubles need not be one.
  return fmt::format(
      "({1} AND NOT coalesce(isfinite(r.{0}) AND isfinite(c.{0}) AND abs(r.{0} / 2.0 - c.{0} / 2.0)"
      " <= {2} / 2.0 * greatest(abs(r.{0}), abs(c.{0}), s.{0}), false))",
      name, distinct, kRounding);
}

/// What examples are ordered by: the clearest first. Words have no distance.
std::string distance(const std::string& name, const columnar::DataType& type) {
  if (!type.is_numeric()) return "";
  // Null against a value comes first, and then what is no number.
  return fmt::format(
      "abs(CAST(r.{0} AS DOUBLE) / 2.0 - CAST(c.{0} AS DOUBLE) / 2.0) DESC NULLS FIRST, ", name);
}

Status LeakChecker::compare() {
  const auto& features = check_.set.features;
  if (features.empty()) return {};
  std::string scales;
  std::string select;
  for (const FeatureReference& reference : features) {
    const std::string name = quote_identifier(reference.alias);
    const Kind kind = type_of(reference.alias).kind;
    if (kind == Kind::Float32 || kind == Kind::Float64)
      scales +=
          fmt::format(", max(abs(CAST({0} AS DOUBLE))) FILTER (WHERE isfinite({0})) AS {0}", name);
    select += fmt::format("count(*) FILTER (WHERE {}), ", differs(name, kind));
  }
  TRY(session_.execute(fmt::format("CREATE OR REPLACE TABLE {} AS SELECT count(*) AS {}{} FROM {}",
                                   kScales, quote_identifier(kRow), scales, kRecorded)));
  const auto rows =
      TRY(session_.collect(fmt::format("SELECT {}count(*), count(DISTINCT r.{}) FROM {}", select,
                                       quote_identifier(kRow), pairs()),
                           1));
  // A row that was lost on the way would count as one that does not differ.
  const std::size_t behind = features.size();
  INVARIANT(rows.front().column(behind).integer(0) == verdict_.sampled &&
                rows.front().column(behind + 1).integer(0) == verdict_.sampled,
            "the join gives back every sampled row once");
  for (std::size_t i = 0; i < features.size(); ++i) {
    const std::int64_t differing = rows.front().column(i).integer(0);
    if (differing == 0) continue;
    std::vector<LeakExample> examples = TRY(examples_of(features[i].alias));
    verdict_.leaks.push_back({features[i].alias, differing, std::move(examples)});
  }
  return {};
}

/// Every sampled row, as it was recorded and as it was made again.
std::string LeakChecker::pairs() {
  return fmt::format("{0} AS r JOIN {1} AS c ON r.{2} = c.{2} CROSS JOIN {3} AS s", kRecorded,
                     kRecomputed, quote_identifier(kRow), kScales);
}

const columnar::DataType& LeakChecker::type_of(const std::string& column) const {
  return training_[*training_.index_of(column)].type;
}

Result<std::vector<LeakExample>> LeakChecker::examples_of(const std::string& feature) {
  const std::string name = quote_identifier(feature);
  const columnar::DataType& type = type_of(feature);
  const auto batches = TRY(session_.collect(
      fmt::format("SELECT r.{0}, c.{0}, CAST(r.{1} AS VARCHAR), {2} FROM {3} WHERE {4} "
                  "ORDER BY {5}r.{6} LIMIT {7}",
                  name, quote_identifier(kTime), key_list("r."), pairs(), differs(name, type.kind),
                  distance(name, type), quote_identifier(kRow), kExamples),
      kExamples));
  std::vector<LeakExample> examples;
  for (const auto& rows : batches)
    for (std::size_t row = 0; row < rows.row_count(); ++row) {
      const std::string time = rows.column(2).to_string(row);
      const auto instant = parse_instant(time);
      LeakExample example{Json::object(), instant.ok() ? format_instant(*instant) : time,
                          rows.column(0).to_json(row), rows.column(1).to_json(row)};
      for (std::size_t i = 0; i < check_.set.key.size(); ++i)
        example.key.set(check_.set.key[i], rows.column(3 + i).to_json(row));
      examples.push_back(std::move(example));
    }
  return examples;
}

}  // namespace

Result<LeakReport> check_leaks(engine::Session& session, const LeakCheck& check) {
  return LeakChecker(session, check).run();
}

Json to_json(const LeakReport& verdict) {
  Json leaks = Json::array();
  for (const Leak& leak : verdict.leaks) {
    Json examples = Json::array();
    for (const LeakExample& example : leak.examples)
      examples.push(Json::object({{"key", example.key},
                                  {"scoring_time", example.scoring_time},
                                  {"recorded", example.recorded},
                                  {"recomputed", example.recomputed}}));
    leaks.push(Json::object({{"feature", leak.feature},
                             {"rows_differing", leak.rows_differing},
                             {"examples", std::move(examples)}}));
  }
  Json refused = Json::array();
  for (const RefusedColumn& column : verdict.refused)
    refused.push(Json::object({{"column", column.column}, {"why", column.why}}));
  return Json::object({{"passed", verdict.passed},
                       {"sampled", verdict.sampled},
                       {"scoring_times", verdict.scoring_times},
                       {"leaks", std::move(leaks)},
                       {"refused", std::move(refused)}});
}

std::string describe(const Leak& leak, const LeakReport& verdict) {
  std::string text = fmt::format("{} differs in {} of {} rows", leak.feature, leak.rows_differing,
                                 verdict.sampled);
  if (!leak.examples.empty()) {
    const LeakExample& example = leak.examples.front();
    text += fmt::format(": {} scored at {} recorded {}, could have known {}", example.key.dump(),
                        example.scoring_time, example.recorded.dump(), example.recomputed.dump());
  }
  return text;
}

}  // namespace millrace::features
