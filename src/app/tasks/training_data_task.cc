// training_data: a training set, joined point in time, becomes a table version and a Parquet file.
//
//   - id: training_data
//     kind: training_data
//     training_set: flights_{{ var('score_at') }}
//     table: features.training_data        # default: features.<training set>
//
// The table is made of other tables, run by run: where it cannot keep the columns any more it is begun
// anew. Versions of before stay, and the datasets of other runs are read there.
//
// The file is <state>/runs/<dag>/<run>/<task>/training_data.parquet.

#include <filesystem>

#include <fmt/format.h>

#include "base/file.h"
#include "base/hash.h"
#include "features/point_in_time.h"
#include "lake/write_plan.h"
#include "sql/names.h"
#include "tasks/dataset.h"
#include "tasks/each_kind.h"
#include "tasks/publish_file.h"
#include "tasks/references.h"
#include "tasks/run_relations.h"

namespace millrace::tasks {
namespace {

struct Plan {
  BoundSet bound;
  std::string table;
};

Result<Plan> plan_of(Attempt& attempt) {
  const std::string name = TRY(attempt.setting("training_set"));
  Plan plan;
  plan.bound = TRY(training_set(attempt.project(), name));
  plan.table = TRY(attempt.setting_or("table", "features." + name));
  return plan;
}

/// The SELECT of the training rows, ordered by their key.
Result<std::string> joined(Attempt& attempt, const BoundSet& bound) {
  TRY(define_models(attempt, bound.models));
  TRY(features::check_dimensions(attempt.session(), bound.set, bound.views));
  return TRY(features::PointInTimeJoin::bind(attempt.session(), bound.set, bound.views)).select();
}

/// Why the table of a training set cannot keep these rows beside those of other runs; "" where it can,
/// and where it is no table of a training set.
Result<std::string> why_begun_anew(Attempt& attempt, const std::string& table,
                                   const columnar::Schema& rows) {
  const auto newest = attempt.lake().snapshot(TRY(lake::TableName::parse(table)));
  if (!newest.ok()) return std::string();  // a mistake in it is told by who writes
  if ((*newest)->partition_columns() != std::vector<std::string>{"run_id"}) return std::string();
  return lake::misfit((*newest)->schema(), rows);
}

/// What is odd about the rows, as clauses for people: what follows will fail, or learn the wrong thing.
Result<std::vector<std::string>> oddities(engine::Session& session,
                                          const features::TrainingSet& set) {
  std::vector<std::string> odd;
  std::string key;
  for (const std::string& column : set.key)
    key += (key.empty() ? "" : ", ") + sql::quote_identifier(column);
  const std::int64_t twice =
      TRY(session
              .scalar(fmt::format("SELECT count(*) FROM (SELECT {0} FROM training_rows GROUP BY "
                                  "{0} HAVING count(*) > 1)",
                                  key)))
          .as_integer();
  if (twice > 0)
    odd.push_back(fmt::format("{} key{} ({}) in several rows, each of which is learned from", twice,
                              twice == 1 ? " stands" : "s stand", fmt::join(set.key, ", ")));
  if (set.split.empty()) return odd;
  const std::string split = sql::quote_identifier(set.split);
  for (const char* part : {"training", "holdout"}) {
    const Json answer =
        TRY(session.scalar(fmt::format("SELECT CASE WHEN bool_or({0} = '{1}') THEN '' ELSE "
                                       "string_agg(DISTINCT {0}::VARCHAR, ', ') "
                                       "END FROM training_rows",
                                       split, part)));
    if (answer.is_string() && answer.as_string().empty()) continue;
    odd.push_back(fmt::format("no row is '{}': the column {} has {}", part, set.split,
                              answer.is_string() ? answer.as_string() : "null alone"));
  }
  return odd;
}

/// The rows as one file that other programs read. It is written under a name that only this attempt
/// has, and gets its own when the attempt may say so; until then it is deleted with this object.
class ParquetFile {
 public:
  static Result<ParquetFile> write(Attempt& attempt, const std::string& relation) {
    ParquetFile file(TRY(folder_of(attempt)), attempt.request().epoch);
    TRY(file.remove_older());
    TRY(attempt.session().execute(
        fmt::format("COPY (SELECT * FROM {}) TO {} (FORMAT parquet, COMPRESSION zstd)", relation,
                    sql::quote_literal(file.temporary_))));
    return file;
  }
  /// Whether there is one of an earlier attempt.
  static Result<bool> exists(const Attempt& attempt) {
    std::error_code error;
    return std::filesystem::is_regular_file(TRY(folder_of(attempt)) + kName, error);
  }
  ParquetFile(ParquetFile&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})) {}
  ParquetFile& operator=(ParquetFile&&) = delete;
  ~ParquetFile() {
    std::error_code error;
    if (!temporary_.empty()) std::filesystem::remove(temporary_, error);
  }

  const std::string& path() const { return path_; }
  Result<std::string> sha256() const { return sha256_hex_of_file(temporary_); }
  Status publish() {
    TRY(publish_file(temporary_, path_));
    temporary_.clear();
    return {};
  }

 private:
  static constexpr const char* kName = "/training_data.parquet";

  static Result<std::string> folder_of(const Attempt& attempt) {
    std::string folder = TRY(attempt.run_folder()) + "/" + attempt.request().task;
    TRY(make_folders(folder));
    return folder;
  }

  ParquetFile(const std::string& folder, std::int64_t epoch)
      : path_(folder + kName), temporary_(fmt::format("{}/.attempt-{}.parquet", folder, epoch)) {}

  /// What attempts before this one left behind when they were killed.
  Status remove_older() const {
    const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
      if (entry.path().filename().string().starts_with(".attempt-"))
        std::filesystem::remove(entry.path(), error);
    return {};
  }

  std::string path_;
  std::string temporary_;
};

class TrainingDataTask final : public TaskKind {
 public:
  std::string_view name() const override { return "training_data"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    fields.text("training_set");
    fields.text("table", "");
    check_reference(settings, "training_set", {"training set", "features"},
                    training_set_names(settings.project), fields);
    setting_by_default(settings, "table", fields);
    fields.refuse_unknown();
  }

  std::vector<std::string> gives() const override { return {"dataset"}; }

  Result<bool> still_there(Attempt& attempt, const Json& result) const override {
    const auto read = Dataset::from_json(result["dataset"]);
    if (!read.ok()) return false;  // as an earlier build wrote it
    const Dataset& dataset = *read;
    return TRY(ParquetFile::exists(attempt)) && TRY(is_written(attempt, dataset.table)) &&
           TRY(is_in_lake(attempt, dataset.table, dataset.version, dataset.run_id));
  }

  Result<std::string> content_key(Attempt& attempt) const override {
    const Plan plan = TRY(plan_of(attempt));
    // The text of the join says all that views and training set decide.
    return sha256_hex(attempt.versions() + plan.table + TRY(joined(attempt, plan.bound)) +
                      TRY(models_key(attempt, plan.bound.models)));
  }

  Result<Json> run(Attempt& attempt) const override {
    const Plan plan = TRY(plan_of(attempt));
    attempt.reporting().progress(0.05, "joining features to labels");
    const std::string select = TRY(joined(attempt, plan.bound));
    engine::Session& session = attempt.session();
    TRY(session.execute("CREATE OR REPLACE TEMP TABLE training_rows AS " + select));
    const std::int64_t rows =
        TRY(session.scalar("SELECT count(*) FROM training_rows")).as_integer();
    if (rows == 0)
      return Error(
          ErrorCode::DataQuality,
          fmt::format("the training set '{}' has no rows as of {}: its labels ({}) give none; was "
                      "what they select from delivered by then, and do they look at that time?",
                      plan.bound.set.name, format_instant(attempt.request().logical_date),
                      plan.bound.set.labels));
    attempt.reporting().progress(0.6, "writing the table");
    Dataset dataset{.table = plan.table,
                    .run_id = attempt.request().run,
                    .training_set = plan.bound.set.name,
                    .rows = rows};
    const columnar::Schema columns = TRY(session.bind("SELECT * FROM training_rows")).result;
    dataset.columns = columns.names();
    const std::string anew = TRY(why_begun_anew(attempt, plan.table, columns));
    ParquetFile file = TRY(ParquetFile::write(attempt, "training_rows"));
    dataset.parquet = file.path();
    dataset.content_hash = TRY(file.sha256());
    const lake::Committed committed = TRY(attempt.lake().write(
        session, TRY(lake::TableName::parse(plan.table)),
        fmt::format("SELECT *, {} AS run_id FROM training_rows",
                    sql::quote_literal(dataset.run_id)),
        {.writer = attempt.writer(plan.table),
         .mode = anew.empty() ? lake::WriteMode::OverwritePartitions : lake::WriteMode::Overwrite,
         .partition_by = {"run_id"},
         .ordered = true,
         .schema_change =
             anew.empty() ? lake::SchemaChange::AddColumns : lake::SchemaChange::Replace,
         .operation = "WRITE",
         .fence = attempt.reporting().fence}));
    dataset.version = committed.version.value();
    // The lake asked before its commit, which may be long ago.
    TRY(attempt.reporting().fence());
    TRY(file.publish());
    std::string summary = fmt::format("{} of {} in {} version {}", counted_rows(rows),
                                      plan.bound.set.name, plan.table, dataset.version);
    if (!anew.empty())
      summary +=
          fmt::format("; begun anew, since {}: rows of other runs are in versions before", anew);
    for (const std::string& odd : TRY(oddities(session, plan.bound.set))) summary += "; " + odd;
    return Json::object({{"dataset", dataset.to_json()}, {"summary", summary}});
  }
};

}  // namespace

const TaskKind& training_data_kind() {
  static const TrainingDataTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
