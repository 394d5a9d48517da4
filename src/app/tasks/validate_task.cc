// validate: a suite of expectations over a dataset or a table. When it fails the circuit opens: the
// tasks behind it do not run.
//
//   - id: validate
//     kind: validate
//     upstream: [training_data]
//     suite: training_data
//     table: raw.flights     # default: the dataset of the task before it
//
// A table is validated in the version that the task directly before this one wrote in this run,
// whatever others have written since; one that no such task wrote, in its newest version. Where that
// task gave a SQL model's rows without writing them, since a later date has been written, the
// model's own rows are validated.

#include <algorithm>
#include <filesystem>

#include <fmt/core.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "quality/validate.h"
#include "sql/names.h"
#include "tasks/dataset.h"
#include "tasks/each_kind.h"
#include "tasks/references.h"
#include "tasks/run_relations.h"

namespace millrace::tasks {
namespace {

std::vector<std::string> suite_names(const project::Project& project) {
  std::vector<std::string> names;
  for (const auto& [name, suite] : project.suites) names.push_back(name);
  return names;
}

Result<const quality::Suite*> suite_of(const Attempt& attempt) {
  const std::string name = TRY(attempt.setting("suite"));
  const auto found = attempt.project().suites.find(name);
  if (found == attempt.project().suites.end())
    return Error(ErrorCode::NotFound,
                 fmt::format("there is no suite '{}' under expectations/{}", name,
                             suggestion(name, suite_names(attempt.project()))));
  return &found->second.suite;
}

/// The version of `table` that a task directly before this one gives in its result: its only table,
/// or one of several. Of two such tasks the one that wrote last counts.
std::optional<lake::Version> version_of_upstream(const Attempt& attempt, const std::string& table) {
  std::int64_t newest = -1;
  const auto consider = [&](const Json& written) {
    if (written.string_or("table", "") == table)
      newest = std::max(newest, written.integer_or("version", -1));
  };
  for (const auto& [task, result] : attempt.request().upstream.as_object()) {
    consider(result);
    consider(result["dataset"]);
    if (result["tables"].is_array())
      for (const Json& written : result["tables"].as_array()) consider(written);
  }
  if (newest < 0) return std::nullopt;
  return lake::Version(newest);
}

/// The setting `table` in the version that is validated; null when there is no such setting.
Result<lake::SnapshotPtr> validated_table(Attempt& attempt) {
  const std::string table = TRY(attempt.setting_or("table", ""));
  if (table.empty()) return lake::SnapshotPtr();
  const auto name = TRY(lake::TableName::parse(table));
  if (const auto version = version_of_upstream(attempt, table))
    return attempt.lake().snapshot_at(name, *version);
  return attempt.lake().snapshot(name);
}

/// The SQL model whose rows the task directly before this one gave without writing them.
std::optional<std::string> unwritten_model(const Attempt& attempt) {
  const auto table = attempt.setting_or("table", "");
  if (!table.ok() || table->empty() || version_of_upstream(attempt, *table)) return std::nullopt;
  for (const auto& [task, result] : attempt.request().upstream.as_object())
    if (result.string_or("table", "") == *table && result.contains("later_date"))
      return result.string_or("model", "");
  return std::nullopt;
}

/// Defines what is validated and gives its relation and the columns that order its rows.
struct Validated {
  std::string relation;
  std::vector<std::string> key;
  std::string what;  // for people
};
Result<Validated> subject_of(Attempt& attempt) {
  if (const auto model = unwritten_model(attempt)) {
    const auto models = TRY(define_models(attempt, {*model}));
    return Validated{models.back().relation, {}, fmt::format("the SQL model {}", *model)};
  }
  if (const auto snapshot = TRY(validated_table(attempt))) {
    TRY(attempt.session().define_scan("validated.rows", TRY(snapshot->scan())));
    return Validated{
        "validated.rows",
        {},
        fmt::format("{} version {}", snapshot->table().text(), snapshot->version().value())};
  }
  const Dataset dataset = TRY(upstream_dataset(attempt));
  TRY(define_dataset(attempt, dataset, "validated.rows"));
  const BoundSet bound = TRY(training_set(attempt.project(), dataset.training_set));
  return Validated{"validated.rows", bound.set.key,
                   fmt::format("{} version {}", dataset.table, dataset.version)};
}

/// Where the verdict is kept for people.
Result<std::string> document_path(const Attempt& attempt) {
  return TRY(attempt.run_folder()) + "/" + attempt.request().task + ".validation.json";
}

/// The expectations that failed, one line each: what people read first.
std::string failures(const quality::SuiteVerdict& verdict) {
  std::string text;
  for (const quality::Verdict& each : verdict.results)
    if (!each.success) text += "\n  " + quality::describe(each);
  return text;
}

constexpr std::size_t kFailuresNamed = 3;
constexpr std::size_t kLongestFailure = 120;  // bytes

/// "expect_column_values_to_not_be_null of price, ... and 2 more": those that failed, first the ones
/// that stop the run.
std::string names_of_failures(const quality::SuiteVerdict& verdict) {
  std::vector<const quality::Verdict*> failed;
  for (const bool critical : {true, false})
    for (const quality::Verdict& each : verdict.results)
      if (!each.success && (each.expectation.severity == quality::Severity::Critical) == critical)
        failed.push_back(&each);
  const std::size_t named = std::min(failed.size(), kFailuresNamed);
  std::string text;
  for (std::size_t i = 0; i < named; ++i) {
    const std::string subject = quality::subject_of(*failed[i]);
    std::string name = failed[i]->expectation.type + (subject.empty() ? "" : " of " + subject);
    if (name.size() > kLongestFailure)
      name = std::string(cut_utf8(name, kLongestFailure - 3)) + "...";
    text += (i == 0 ? "" : ", ") + name;
  }
  return failed.size() == named ? text : fmt::format("{} and {} more", text, failed.size() - named);
}

/// "; unmet (warning): expect_... of price: 2 of 6 rows; ..." of those that stop nothing.
std::string told_only(const quality::SuiteVerdict& verdict) {
  std::string text;
  for (const quality::Verdict& each : verdict.results)
    if (!each.success)
      text += fmt::format("; unmet ({}): {}", quality::to_string(each.expectation.severity),
                          quality::describe(each));
  return text;
}

class ValidateTask final : public TaskKind {
 public:
  std::string_view name() const override { return "validate"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    fields.text("suite");
    check_reference(settings, "suite", {"suite", "expectations"}, suite_names(settings.project),
                    fields);
    if (fields.text("table", "").empty())
      check_upstream(settings, "dataset", "training_data", fields);
    else
      setting_by_default(settings, "table", fields);
    fields.refuse_unknown();
  }

  Result<bool> still_there(Attempt& attempt, const Json& /*result*/) const override {
    std::error_code error;
    return std::filesystem::is_regular_file(TRY(document_path(attempt)), error);
  }

  Result<std::string> content_key(Attempt& attempt) const override {
    const std::string how =
        attempt.versions() + quality::to_json(*TRY(suite_of(attempt))).dump_canonical();
    if (const auto model = unwritten_model(attempt))
      return sha256_hex(how + TRY(models_key(attempt, {*model})));
    if (const auto snapshot = TRY(validated_table(attempt)))
      return sha256_hex(
          how +
          fmt::format("{} version {} ", snapshot->table().text(), snapshot->version().value()) +
          snapshot->content_hash());
    const Dataset dataset = TRY(upstream_dataset(attempt));
    const BoundSet bound = TRY(training_set(attempt.project(), dataset.training_set));
    return sha256_hex(how + dataset.content_hash + Json(bound.set.key).dump());
  }

  Result<Json> run(Attempt& attempt) const override {
    const quality::Suite* suite = TRY(suite_of(attempt));
    const Validated subject = TRY(subject_of(attempt));
    quality::ValidateOptions options{.order_by = subject.key, .index_columns = subject.key};
    options.meta = Json::object({{"run_id", attempt.request().run}, {"batch", subject.what}});
    options.progress = [&](std::string_view pass, std::size_t done, std::size_t known) {
      attempt.reporting().progress(
          known == 0 ? 0 : static_cast<double>(done) / static_cast<double>(known), pass);
    };
    const quality::SuiteVerdict verdict =
        TRY(quality::validate(attempt.session(), {.relation = subject.relation}, *suite, options));
    const std::string passed =
        fmt::format("{} of {} expectations met", verdict.successful(), verdict.results.size());
    attempt.reporting().log(fmt::format("{}: {}{}", subject.what, passed, failures(verdict)));
    const Json document = quality::to_json(verdict);
    const std::string path = TRY(document_path(attempt));
    remove_unfinished(path);  // of an attempt that was killed
    TRY(write_file(path, document.dump_pretty() + "\n"));
    const bool critical = verdict.worst_failure() == quality::Severity::Critical;
    if (critical)
      return Error(
          ErrorCode::DataQuality,
          fmt::format("the suite '{}' failed on {}: {}; not met: {}; `millrace logs {} {} "
                      "--task {}` shows what was found; nothing behind this task runs, and "
                      "the last good model goes on serving{}",
                      suite->name, subject.what, passed, names_of_failures(verdict),
                      attempt.request().dag, attempt.request().run, attempt.request().task,
                      failures(verdict)));
    return Json::object({{"suite", suite->name},
                         {"expectations", verdict.results.size()},
                         {"expectations_met", verdict.successful()},
                         {"statistics", document["statistics"]},
                         {"summary", passed + told_only(verdict)}});
  }
};

}  // namespace

const TaskKind& validate_kind() {
  static const ValidateTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
