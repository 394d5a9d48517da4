// validate: a suite of expectations over a table of the lake, at once.

#include "quality/validate.h"

#include <cstdio>

#include <fmt/core.h>

#include "base/suggest.h"
#include "cli/connection.h"
#include "cli/lake_session.h"

namespace millrace::cli {
namespace {

Result<quality::SuiteVerdict> verdict_of(const Common& common, const ValidateArguments& arguments) {
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
  return quality::validate(*lake.session, batch, found->second.suite,
                           {.order_by = {},
                            .index_columns = {},
                            .meta = Json::object({{"table", arguments.table},
                                                  {"version", snapshot->version().value()}})});
}

}  // namespace

int validate(const Common& common, const ValidateArguments& arguments) {
  const auto verdict = verdict_of(common, arguments);
  if (!verdict.ok()) return fail(common, verdict.error());
  if (common.json) {
    print_json(quality::to_json(*verdict));
  } else {
    Terminal terminal(stdout);
    for (const quality::Verdict& each : verdict->results)
      terminal.line(fmt::format("{} {}",
                                each.success ? terminal.paint(Colour::Green, "met   ")
                                             : terminal.paint(Colour::Red, "failed"),
                                quality::describe(each)));
    terminal.line(
        fmt::format("{} of {} expectations met", verdict->successful(), verdict->results.size()));
  }
  return verdict->success ? kSuccess : kFailed;
}

}  // namespace millrace::cli
