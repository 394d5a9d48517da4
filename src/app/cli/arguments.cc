// argv to plain values. Only this file and mistakes.cc know CLI11.

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "cli/completion.h"
#include "cli/connection.h"
#include "cli/mistakes.h"
#include "cli/to_the_end.h"
#include "cli/verbs.h"

namespace millrace::cli {
namespace {

constexpr const char* kDescription =
    "Millrace runs batch machine-learning pipelines from the source to the served model.\n"
    "Every verb works in the project folder that it stands in, or in the one that --project names.";

constexpr const char* kExitCodes =
    "Exit codes: 0 done; 1 done and failed (a run, an expectation); 2 the command line or the\n"
    "project's files must be mended; 3 could not be done now (no server, a full disk);\n"
    "130 interrupted by Ctrl-C (`up`: 0, since that is how it is stopped).";

/// What argv says to do; filled by the callbacks of the verbs.
struct Plan {
  Common common;
  std::function<int()> action;
};

constexpr std::int64_t kMostRuns = 10'000;
constexpr std::int64_t kMostRowsAsked = 1'000'000'000;
const CLI::Range kVersion(std::int64_t{1}, std::int64_t{1'000'000'000});
/// A text that must not be empty: an unset variable of a script is no date and no reason.
const CLI::Validator kSomething(
    [](const std::string& text) { return text.empty() ? std::string("is empty") : std::string(); },
    "");

void add_common(CLI::App& app, Plan& plan) {
  app.add_option("-C,--project", plan.common.project, "The project folder")->type_name("FOLDER");
  app.add_option("-t,--target", plan.common.target, "Where it runs: a target of millrace.yml")
      ->type_name("NAME");
  app.add_flag("--json", plan.common.json, "Answer in JSON, for machines");
}

CLI::App* add_verb(CLI::App& app, Plan& plan, const std::string& name, const std::string& what,
                   const std::string& example) {
  CLI::App* verb = app.add_subcommand(name, what);
  verb->footer("Example:\n  " + example + "\n\n" + kExitCodes);
  add_common(*verb, plan);
  return verb;
}

/// A verb that has verbs of its own.
CLI::App* add_group(CLI::App& app, const std::string& name, const std::string& what,
                    const std::string& example) {
  CLI::App* group = app.add_subcommand(name, what);
  group->footer("Example:\n  " + example + "\n\n" + kExitCodes);
  group->require_subcommand(1);
  return group;
}

/// Keeps the arguments of one verb alive and says what to call with them.
template <typename Arguments>
std::shared_ptr<Arguments> calls(CLI::App* verb, Plan& plan,
                                 int (*function)(const Common&, const Arguments&)) {
  auto arguments = std::make_shared<Arguments>();
  verb->callback([&plan, arguments, function] {
    plan.action = [&plan, arguments, function] { return function(plan.common, *arguments); };
  });
  return arguments;
}

void calls(CLI::App* verb, Plan& plan, int (*function)(const Common&)) {
  verb->callback(
      [&plan, function] { plan.action = [&plan, function] { return function(plan.common); }; });
}

void add_run(CLI::App& app, Plan& plan) {
  CLI::App* verb = add_verb(
      app, plan, "run", "Run one logical date of a Dag now and wait for it",
      "millrace run weekly_retraining --logical-date 2013-12-01 --param score_at=departure");
  auto run_arguments = calls(verb, plan, run);
  verb->add_option("dag", run_arguments->dag, "The Dag; may be left out when the project has one");
  verb->add_option(
          "-d,--logical-date", run_arguments->logical_date,
          "When the run is due; a date is the moment of that day at which the Dag is due (in "
          "its zone), or midnight. Default: the latest point of its schedule")
      ->type_name("TIME")
      ->check(kSomething);
  verb->add_option("-p,--param", run_arguments->params, "A parameter of the run")
      ->type_name("NAME=VALUE");
  verb->add_flag("--clear", run_arguments->clear,
                 "Run again although it succeeded: a new generation");
  verb->add_flag("-q,--quiet", run_arguments->quiet,
                 "Only why tasks failed, and how the run ended: the last line");
  verb->add_option("--program", run_arguments->program,
                   "A pipeline program (C++, Python, any language), run without a project")
      ->type_name("FILE");
}

void add_backfill(CLI::App& app, Plan& plan) {
  CLI::App* verb =
      add_verb(app, plan, "backfill", "Run the past logical dates of a Dag, oldest first",
               "millrace backfill weekly_retraining --from 2013-06-01 --to 2013-07-01");
  auto backfill_arguments = calls(verb, plan, backfill);
  verb->add_option("dag", backfill_arguments->dag,
                   "The Dag; may be left out when the project has one");
  verb->add_option("--from", backfill_arguments->from, "The first logical date")
      ->required()
      ->type_name("TIME")
      ->check(kSomething);
  verb->add_option("--to", backfill_arguments->to,
                   "The last logical date (included; a date is its whole day)")
      ->required()
      ->type_name("TIME")
      ->check(kSomething);
  verb->add_option("-p,--param", backfill_arguments->params, "A parameter of the runs")
      ->type_name("NAME=VALUE");
  verb->add_flag("--clear", backfill_arguments->clear, "Run again also those that succeeded");
}

void add_cancel_and_clear(CLI::App& app, Plan& plan) {
  CLI::App* verb =
      add_verb(app, plan, "cancel", "End a run: what it does is killed, the rest is skipped",
               "millrace cancel weekly_retraining 2013-12-01T05:00:00Z");
  auto cancel_arguments = calls(verb, plan, cancel);
  verb->add_option("dag", cancel_arguments->dag,
                   "The Dag; may be left out when the project has one");
  verb->add_option("run", cancel_arguments->run,
                   "The run, or its date; default: all that have not ended");

  verb = add_verb(app, plan, "clear", "Run again what a run has done, unchanged or not",
                  "millrace clear weekly_retraining 2013-12-01T05:00:00Z --task train");
  auto clear_arguments = calls(verb, plan, clear);
  verb->add_option("dag", clear_arguments->dag, "The Dag")->required();
  verb->add_option("run", clear_arguments->run, "The run, or its date")->required();
  verb->add_option("--task", clear_arguments->task, "Only this task and what comes after it");
}

void add_server(CLI::App& app, Plan& plan) {
  CLI::App* verb =
      add_verb(app, plan, "up", "Start the project's server: schedule, endpoint, status",
               "millrace up --detach");
  auto up_arguments = calls(verb, plan, up);
  verb->add_flag("--detach", up_arguments->detach,
                 "Go on in the background; `millrace down` stops it");
  verb = add_verb(app, plan, "down", "Stop the project's server in good order", "millrace down");
  auto down_arguments = calls(verb, plan, down);
  verb->add_flag("--keep-attempts", down_arguments->keep_attempts,
                 "What runs goes on, and the next server takes it up: for an upgrade");

  verb = add_verb(app, plan, "check",
                  "Read the whole project and show every mistake with its place", "millrace check");
  calls(verb, plan, check);
  verb =
      add_verb(app, plan, "status", "What runs, what ran last, what comes next", "millrace status");
  calls(verb, plan, status);
  verb = add_verb(app, plan, "runs", "What ran, the latest first, and why it failed",
                  "millrace runs weekly_retraining --limit 5");
  auto runs_arguments = calls(verb, plan, runs);
  verb->add_option("dag", runs_arguments->dag, "The Dag; default: all");
  verb->add_option("--limit", runs_arguments->limit, "Runs to print")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{1}, kMostRuns));
  verb = add_verb(app, plan, "logs", "What the tasks of a run said",
                  "millrace logs weekly_retraining 2013-12-01T05:00:00Z --task train");
  auto logs_arguments = calls(verb, plan, logs);
  verb->add_option("dag", logs_arguments->dag, "The Dag; may be left out when the project has one");
  verb->add_option("run", logs_arguments->run,
                   "The run, or its date; default: the one that said something last");
  verb->add_option("--task", logs_arguments->task, "Only this task");
}

void add_tables(CLI::App& app, Plan& plan) {
  CLI::App* verb = add_verb(
      app, plan, "sql", "Ask the lake",
      "millrace sql \"select carrier, count(*) from raw.flights group by 1\" --output counts.csv");
  auto sql_arguments = calls(verb, plan, ask_sql);
  verb->add_option("statement", sql_arguments->statement,
                   "A SELECT; a table may stand with AT (VERSION => 3)")
      ->required();
  verb->add_option("-o,--output", sql_arguments->output,
                   "Write all rows to a .parquet, .csv or .json file")
      ->type_name("FILE")
      ->check(kSomething);
  verb->add_option("--limit", sql_arguments->limit, "Rows to print")
      ->capture_default_str()
      ->check(CLI::Range(std::int64_t{0}, kMostRowsAsked));

  CLI::App* group = add_group(app, "table", "Tables of the lake: ls, show, history, at",
                              "millrace table show raw.flights");
  calls(add_verb(*group, plan, "ls", "All tables", "millrace table ls"), plan, table_list);
  struct Verb {
    const char* name;
    const char* what;
    const char* example;
    int (*function)(const Common&, const TableArguments&);
  };
  for (const Verb& each :
       {Verb{"show", "Columns, size, writers", "millrace table show raw.flights", table_show},
        Verb{"history", "Versions, newest first", "millrace table history raw.flights",
             table_history},
        Verb{"at", "Rows as they were", "millrace table at raw.flights 0", table_at}}) {
    verb = add_verb(*group, plan, each.name, each.what, each.example);
    auto arguments = calls(verb, plan, each.function);
    verb->add_option("table", arguments->name, "The table: schema.name")->required();
    if (each.function == table_at)
      verb->add_option("when", arguments->at, "A version, or a time")->required();
    if (each.function != table_show)
      verb->add_option("--limit", arguments->limit, "Rows")
          ->capture_default_str()
          ->check(CLI::Range(std::int64_t{0}, kMostRowsAsked));
  }
}

void add_models(CLI::App& app, Plan& plan) {
  CLI::App* group =
      add_group(app, "model", "Registered models: ls, show, promote, rollback, predict",
                "millrace model show late_arrival_departure");
  CLI::App* verb = add_verb(*group, plan, "ls", "All versions of all models, or of one",
                            "millrace model ls late_arrival_departure");
  auto list = calls(verb, plan, model_list);
  verb->add_option("model", list->name, "The model's name; default: all")->check(kSomething);

  verb = add_verb(*group, plan, "show", "One version: features, metrics, where it comes from",
                  "millrace model show late_arrival_departure 1");
  auto show = calls(verb, plan, model_show);
  verb->add_option("model", show->name, "The model's name")->required()->check(kSomething);
  verb->add_option("version", show->version, "Default: the one in Production, or the newest")
      ->check(kVersion);

  verb = add_verb(*group, plan, "promote", "Tag a version Production and let the endpoint serve it",
                  "millrace model promote late_arrival_departure 1 --reason \"better calibrated\"");
  auto promote = calls(verb, plan, model_promote);
  verb->add_option("model", promote->name, "The model's name")->required()->check(kSomething);
  verb->add_option("version", promote->version, "Its version, as `millrace model ls` numbers them")
      ->required()
      ->check(kVersion);
  verb->add_option("--reason", promote->reason, "Why; kept in the history")
      ->required()
      ->check(kSomething);

  verb = add_verb(*group, plan, "rollback",
                  "Go back to the version that was in Production before, or to none",
                  "millrace model rollback late_arrival_departure");
  auto rollback = calls(verb, plan, model_rollback);
  verb->add_option("model", rollback->name, "The model's name")->required()->check(kSomething);
  verb->add_option("--reason", rollback->reason, "Why; kept in the history")->check(kSomething);

  verb = add_verb(*group, plan, "predict", "Score rows of a file",
                  "millrace model predict late_arrival_departure --input request.json");
  auto predict = calls(verb, plan, model_predict);
  verb->add_option("model", predict->name, "The model's name")->required()->check(kSomething);
  verb->add_option("--version", predict->version, "Default: the one in Production, or the newest")
      ->check(kVersion);
  verb->add_option("-i,--input", predict->input,
                   "Rows as CSV with a header or as JSON; - is standard input")
      ->required();
}

/// What may stand behind each verb: "table" -> at, history, ...; "table ls" -> --json, ...
std::map<std::string, std::vector<std::string>> words_of(const CLI::App& app) {
  std::map<std::string, std::vector<std::string>> words;
  const auto add = [&](const CLI::App& of, const std::string& path, const auto& self) -> void {
    for (const CLI::App* verb : of.get_subcommands({})) {
      if (verb->get_group().empty()) continue;
      words[path].push_back(verb->get_name());
      self(*verb, path.empty() ? verb->get_name() : path + " " + verb->get_name(), self);
    }
    for (const CLI::Option* option : of.get_options())
      for (const std::string& name : option->get_lnames()) words[path].push_back("--" + name);
  };
  add(app, "", add);
  return words;
}

/// The help of a verb that no list shows.
std::string internal(const std::string& does) {
  return "Internal, and not for people: " + does + ". Millrace starts it by itself.";
}

/// What cannot be read as a whole may still say in which form it wants its answer.
bool wants_json(int argc, char** argv) {
  return std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
}

void add_others(CLI::App& app, Plan& plan) {
  CLI::App* verb = add_verb(app, plan, "validate", "Check a table against a suite of expectations",
                            "millrace validate training_data --table features.flights_departure");
  auto validate_arguments = calls(verb, plan, validate);
  verb->add_option("suite", validate_arguments->suite, "The suite's name")->required();
  verb->add_option("--table", validate_arguments->table, "The table: schema.name")->required();
  verb->add_option("--at", validate_arguments->at, "A version, or a time; default: now");
  verb->add_option("--where", validate_arguments->where,
                   "Only these rows, as SQL: a table of training data holds those of all runs")
      ->type_name("SQL");

  calls(add_verb(app, plan, "version", "Versions of Millrace and its engines", "millrace version"),
        plan, version);

  verb = app.add_subcommand("completion", "Completion of verbs and options for a shell");
  verb->footer("Example:\n  source <(millrace completion bash)");
  verb->add_option("shell", "There is bash")->required()->check(CLI::IsMember({"bash"}));
  verb->callback([&app, &plan] {
    plan.action = [&app] {
      auto words = words_of(app);
      words["completion"].emplace_back("bash");
      return print_completion(words);
    };
  });

  CLI::App* hidden = app.add_subcommand("attempt", internal("runs one task"))->group("");
  hidden->callback([&plan] { plan.action = attempt; });
  hidden = app.add_subcommand("launcher",
                              internal("runs attempts, and outlives the server that started it"))
               ->group("");
  const auto state = std::make_shared<std::string>();
  hidden->add_option("--state", *state)->required();
  hidden->callback([&plan, state] { plan.action = [state] { return launch(*state); }; });
  hidden = app.add_subcommand("engine", internal("answers the SQL of a program's task"))->group("");
  hidden->add_flag("--stdio")->required();
  const auto engine = std::make_shared<EngineArguments>();
  hidden->add_option("--project", engine->project);
  hidden->add_option("--target", engine->target);
  hidden->add_option("--threads", engine->threads);
  hidden->add_option("--memory-bytes", engine->memory_bytes);
  hidden->callback([&plan, engine] { plan.action = [engine] { return engine_stdio(*engine); }; });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{kDescription, "millrace"};
  app.footer(std::string(kExitCodes) + "\nEach verb has --help with an example.");
  app.set_version_flag("--version", "millrace " MILLRACE_VERSION);
  app.set_help_all_flag("--help-all", "Help of every verb");
  Plan plan;
  add_common(app, plan);
  add_run(app, plan);
  add_backfill(app, plan);
  add_cancel_and_clear(app, plan);
  add_server(app, plan);
  add_tables(app, plan);
  add_models(app, plan);
  add_others(app, plan);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> words = {argv + 1, argv + argc};
    const bool asks_for_help = error.get_exit_code() == 0;
    // `millrace tabel --help` asks for the help of a verb that is not there.
    const auto mistake = asks_for_help ? unknown_verb(app, words) : mistake_in(app, words);
    if (asks_for_help && !mistake.has_value()) return app.exit(error);
    if (wants_json(argc, argv))
      return fail({.json = true}, Error(ErrorCode::Invalid, mistake.value_or(error.what())));
    if (mistake.has_value())
      std::fprintf(stderr, "%s\nRun with --help for more information.\n", mistake->c_str());
    else
      app.exit(error);
    return kMistake;
  }
  if (!plan.action && plan.common.json)
    return fail(plan.common, Error(ErrorCode::Invalid, *mistake_in(app, {})));
  if (!plan.action) {
    std::fputs(app.help().c_str(), stdout);
    return kMistake;
  }
  return to_the_end(plan.common, plan.action);
}

}  // namespace millrace::cli
