// land: delivered files become rows of a table, late ones in the partition of their event.
//
//   - id: land
//     kind: land
//     source: airline            # all tables of the source, or one: airline.flights

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/suggest.h"
#include "ingest/land.h"
#include "tasks/each_kind.h"
#include "tasks/open_source.h"
#include "tasks/references.h"
#include "tasks/run_relations.h"

namespace millrace::tasks {
namespace {

/// The tables of a source, or the one that is named; empty when there is none.
std::vector<const project::SourceTable*> tables_of(const project::Project& project,
                                                   const std::string& source) {
  std::vector<const project::SourceTable*> tables;
  for (const auto& [name, table] : project.sources)
    if (name == source || name.starts_with(source + ".")) tables.push_back(&table);
  return tables;
}

std::vector<std::string> source_names(const project::Project& project) {
  std::set<std::string> names;
  for (const auto& [name, table] : project.sources) {
    names.insert(name);
    names.insert(name.substr(0, name.find('.')));
  }
  return {names.begin(), names.end()};
}

Result<std::vector<const project::SourceTable*>> wanted(const Attempt& attempt) {
  const std::string source = TRY(attempt.setting("source"));
  auto tables = tables_of(attempt.project(), source);
  if (tables.empty())
    return Error(ErrorCode::NotFound,
                 fmt::format("there is no source '{}'{}", source,
                             suggestion(source, source_names(attempt.project()))));
  return tables;
}

/// How the table is read, as far as it decides which rows land. Taken apart member by member, so that
/// one which is added there is missed here by the compiler and not by a content key.
Json how(const project::SourceTable& source) {
  const auto& [name, files, folder, table, event_time, available_at, bad_share, skips, place,
               node] = source;
  const auto& [source_name, pattern, format, zone, delivered, columns, delivered_at, unknown,
               delimiter, nulls, max_line] = files;
  Json declared = Json::array();
  for (const auto& column : columns.fields())
    declared.push(Json::object({{"name", column.name},
                                {"type", columnar::to_sql(column.type)},
                                {"nullable", column.nullable}}));
  return Json::object({{"name", source_name},
                       {"pattern", pattern},
                       {"format", static_cast<int>(format)},
                       {"zone", zone.name()},
                       {"delivered", delivered ? Json(format_instant(*delivered)) : Json()},
                       {"columns", std::move(declared)},
                       {"delivered_at", delivered_at},
                       {"unknown", static_cast<int>(unknown)},
                       {"delimiter", std::string(1, delimiter)},
                       {"nulls", Json(nulls)},
                       {"max_line_bytes", max_line},
                       {"table", table},
                       {"event_time", event_time},
                       {"max_bad_share", bad_share},
                       {"skips_bad_files", skips}});
}

Result<ingest::LandSpec> spec_of(const Attempt& attempt, const project::SourceTable& table) {
  ingest::LandSpec spec{
      .table = TRY(lake::TableName::parse(table.table)),
      .event_time = table.event_time,
      .before = attempt.request().logical_date,
      .writer = attempt.writer(table.table),
      .fence = attempt.reporting().fence,
      .on_bad_file = table.skip_bad_files ? ingest::OnBadFile::Skip : ingest::OnBadFile::Fail,
      // A run that was cleared has lost its result of before.
      .gone = attempt.request().previous ? ingest::Gone::Keep : ingest::Gone::Refuse,
      .threads = attempt.share().threads};
  spec.limits.max_bad_share = table.max_bad_share;
  for (const auto& [name, source] : attempt.project().sources) spec.sources.push_back(name);
  return spec;
}

/// The content key of a landing of one table: `key` is LandReport::key.
std::string key_of(const Attempt& attempt, const project::SourceTable& table,
                   const std::string& key) {
  return sha256_hex(attempt.versions() + how(table).dump_canonical() + key);
}

/// "1 file", "20 files".
std::string counted(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

struct Totals {
  std::int64_t deliveries = 0;
  std::int64_t deliveries_already = 0;
  std::int64_t rows_read = 0;
  std::int64_t rows_landed = 0;
  std::int64_t rows_late = 0;
  std::int64_t rows_rejected = 0;
  std::size_t skipped = 0;
  std::size_t passed_over = 0;
  std::size_t kept = 0;
  std::vector<std::string> same_content;
  std::vector<std::string> with_rejected;  // tables of rejected rows that got some
  std::vector<std::string> why_nothing;    // "sales: no file fits ..."
  Json tables = Json::array();
  std::string keys;

  void add(const project::SourceTable& table, const ingest::LandReport& report) {
    deliveries += report.deliveries_landed;
    deliveries_already += report.deliveries_already;
    rows_read += report.rows_read;
    rows_landed += report.rows_landed;
    rows_late += report.rows_late;
    rows_rejected += report.rows_rejected;
    skipped += report.skipped.size();
    passed_over += report.passed_over.size();
    kept += report.kept.size();
    for (const std::string& same : report.same_content) same_content.push_back(same);
    if (report.rows_rejected > 0) with_rejected.push_back(table.table + "__rejected");
    if (!report.why_nothing.empty())
      why_nothing.push_back(fmt::format("{}: {}", table.name, report.why_nothing));
    tables.push(Json::object({{"source", table.name},
                              {"table", table.table},
                              {"version", report.version.value()},
                              {"deliveries_landed", report.deliveries_landed},
                              {"deliveries_already", report.deliveries_already},
                              {"rows_read", report.rows_read},
                              {"rows_landed", report.rows_landed},
                              {"rows_late", report.rows_late},
                              {"rows_rejected", report.rows_rejected},
                              {"first_rejected", Json(report.first_rejected)},
                              {"why_nothing", report.why_nothing},
                              {"skipped", Json(report.skipped)},
                              {"passed_over", Json(report.passed_over)},
                              {"same_content", Json(report.same_content)},
                              {"kept", Json(report.kept)}}));
  }

  std::string summary() const {
    std::string text = what_came();
    if (rows_rejected > 0)
      text += fmt::format(", {} rejected (see {})", rows_rejected, fmt::join(with_rejected, ", "));
    if (passed_over > 0)
      text +=
          fmt::format(", {} passed over", counted(static_cast<std::int64_t>(passed_over), "name"));
    if (kept > 0)
      text += fmt::format("; what was landed from {} no longer delivered stays",
                          counted(static_cast<std::int64_t>(kept), "file"));
    if (!same_content.empty()) text += "; " + twice();
    for (const std::string& why : why_nothing) text += "; " + why;
    return text;
  }

  /// That there is nothing new is no worry, and not told in noughts. A file that was left out is new.
  std::string what_came() const {
    if (deliveries > 0 || skipped > 0)
      return fmt::format("{} read from {}, {} of an earlier day", counted(rows_read, "row"),
                         counted(deliveries, "file"), rows_late);
    if (deliveries_already == 0) return "nothing new";
    return fmt::format("nothing new; {} landed before", counted(deliveries_already, "file"));
  }

  /// Of deliveries that came under two names.
  std::string twice() const {
    const std::size_t more = same_content.size() - 1;
    return fmt::format("{}{}, so these rows are there twice", same_content.front(),
                       more == 0 ? "" : fmt::format(" (and {} more such)", more));
  }

  Json to_json() const {
    return Json::object({{"deliveries", deliveries},
                         {"rows_read", rows_read},
                         {"rows_landed", rows_landed},
                         {"rows_late", rows_late},
                         {"rows_rejected", rows_rejected},
                         {"tables", tables},
                         {"content_key", sha256_hex(keys)},
                         {"passed_over", passed_over},
                         {"summary", summary()}});
  }
};

class LandTask final : public TaskKind {
 public:
  std::string_view name() const override { return "land"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    fields.text("source");
    check_reference(settings, "source", {"source", "sources"}, source_names(settings.project),
                    fields);
    fields.refuse_unknown();
  }

  Result<bool> still_there(Attempt& attempt, const Json& result) const override {
    for (const Json& table : result["tables"].as_array())
      if (!TRY(
              is_in_lake(attempt, TRY(table.string_at("table")), TRY(table.integer_at("version"))))) return false;
    return true;
  }

  Result<std::string> content_key(Attempt& attempt) const override {
    std::string keys;
    for (const project::SourceTable* table : TRY(wanted(attempt))) {
      const OpenSource opened = TRY_DOING(table->place.str(), open_source(*table));
      const ingest::LandSpec spec = TRY(spec_of(attempt, *table));
      keys +=
          key_of(attempt, *table,
                 TRY(ingest::key_of_landing(attempt.lake(), attempt.session(), *opened.source,
                                            spec)));
    }
    return sha256_hex(keys);
  }

  Result<Json> run(Attempt& attempt) const override {
    Totals totals;
    const auto tables = TRY(wanted(attempt));
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const project::SourceTable& table = *tables[i];
      const OpenSource opened = TRY_DOING(table.place.str(), open_source(table));
      ingest::LandSpec spec = TRY(spec_of(attempt, table));
      spec.progress = [&](const ingest::LandProgress& progress) {
        const double part = progress.deliveries == 0
                                ? 1.0
                                : static_cast<double>(progress.deliveries_done) /
                                      static_cast<double>(progress.deliveries);
        attempt.reporting().progress(
            (static_cast<double>(i) + part) / static_cast<double>(tables.size()),
            fmt::format("{}: {} rows", table.name, progress.rows));
      };
      const ingest::LandReport report = TRY_DOING(
          table.name, ingest::land(attempt.lake(), attempt.session(), *opened.source, spec));
      for (const std::string& rejected : report.first_rejected)
        attempt.reporting().log("rejected: " + rejected);
      if (const auto named = static_cast<std::int64_t>(report.first_rejected.size());
          report.rows_rejected > named)
        attempt.reporting().log(fmt::format("rejected: {} more rows; all are in {}__rejected",
                                            report.rows_rejected - named, table.table));
      for (const std::string& skipped : report.skipped)
        attempt.reporting().log("skipped: " + skipped);
      for (const std::string& passed : report.passed_over)
        attempt.reporting().log("passed over: " + passed);
      for (const std::string& same : report.same_content)
        attempt.reporting().log("its rows are there twice: " + same);
      for (const std::string& kept : report.kept)
        attempt.reporting().log("no longer delivered, its rows stay: " + kept);
      totals.add(table, report);
      totals.keys += key_of(attempt, table, report.key);
    }
    return totals.to_json();
  }
};

}  // namespace

const TaskKind& land_kind() {
  static const LandTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
