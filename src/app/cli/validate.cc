// validate: a suite of expectations over a table of the lake, at once.

#include "quality/validate.h"

#include <cstdio>

#include <fmt/core.h>

#include "base/suggest.h"
#include "cli/connection.h"
#include "cli/lake_session.h"

namespace millrace::cli {
namespace {

/// A table that keeps the rows of each run in a partition of its own holds a key once per run: what a
/// run's own validate passed fails over all of them.
Result<std::string> hint_of(LakeSession& lake, const columnar::Schema& columns) {
  if (!columns.index_of("run_id").has_value()) return std::string();
  const Json runs = TRY(lake.session->scalar("SELECT count(DISTINCT run_id) FROM validated.rows"));
  if (!runs.is_integer() || runs.as_integer() < 2) return std::string();
  return fmt::format(
      "the table holds the rows of {}; look at one of them with --where \"run_id = "
      "'...'\" (`millrace runs` names them)",
      counted(runs.as_integer(), "run"));
}

struct Answer {
  quality::SuiteVerdict verdict;
  std::string hint;  // "" unless it failed and another question would be better
};

Result<Answer> answer_of(const Common& common, const ValidateArguments& arguments) {
  LakeSession lake = TRY(LakeSession::open(
      common,
      {.sources = false, .models = false, .suites = true, .features = false, .pipelines = false}));
  const auto found = lake.project.suites.find(arguments.suite);
  if (found == lake.project.suites.end()) {
    std::vector<std::string> names;
    for (const auto& [name, suite] : lake.project.suites) names.push_back(name);
    return Error(ErrorCode::NotFound, fmt::format("there is no suite '{}'{}", arguments.suite,
                                                  suggestion(arguments.suite, names)));
  }
  const auto snapshot = TRY(lake.snapshot(arguments.table, arguments.at));
  TRY(lake.session->define_scan("validated.rows", TRY(snapshot->scan())));
  quality::Batch batch;
  if (arguments.where.empty())
    batch.relation = "validated.rows";
  else
    batch.select = fmt::format("SELECT * FROM validated.rows WHERE ({}\n)", arguments.where);
  Answer answer;
  answer.verdict =
      TRY(quality::validate(*lake.session, batch, found->second.suite,
                            {.order_by = {},
                             .index_columns = {},
                             .meta = Json::object({{"table", arguments.table},
                                                   {"version", snapshot->version().value()}})}));
  if (!answer.verdict.success && arguments.where.empty())
    answer.hint = TRY(hint_of(lake, snapshot->schema()));
  return answer;
}

std::string result_of(const Terminal& terminal, const quality::Verdict& verdict) {
  const quality::Severity severity = verdict.expectation.severity;
  if (verdict.success) return terminal.paint(Colour::Green, "met");
  if (severity == quality::Severity::Critical) return terminal.paint(Colour::Red, "failed");
  return terminal.paint(Colour::Yellow, quality::to_string(severity));
}

/// Those that failed last, where they are seen.
void print_verdict(const quality::SuiteVerdict& verdict) {
  Terminal terminal(stdout);
  std::vector<std::vector<std::string>> rows;
  for (const bool success : {true, false})
    for (const quality::Verdict& each : verdict.results)
      if (each.success == success)
        rows.push_back({result_of(terminal, each), each.expectation.type,
                        printable(quality::subject_of(each)),
                        printable(quality::finding_of(each))});
  terminal.table({"RESULT", "EXPECTATION", "OF", "FOUND"}, rows);
  terminal.line(
      fmt::format("{} of {} expectations met", verdict.successful(), verdict.results.size()));
}

}  // namespace

int validate(const Common& common, const ValidateArguments& arguments) {
  const auto answer = answer_of(common, arguments);
  if (!answer.ok()) return fail(common, answer.error());
  const quality::SuiteVerdict& verdict = answer->verdict;
  if (common.json)
    print_json(quality::to_json(verdict));
  else
    print_verdict(verdict);
  if (!answer->hint.empty()) std::fprintf(stderr, "hint: %s\n", answer->hint.c_str());
  // As the task does: what is a warning only is told.
  return verdict.worst_failure() == quality::Severity::Critical ? kFailed : kSuccess;
}

}  // namespace millrace::cli
