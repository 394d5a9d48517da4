#pragma once

// The verbs of the command line as functions over plain values. arguments.cc reads them from argv;
// each verb lies in the .cc file of its subject. All return the exit code.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::cli {

// Exit codes, the same for every verb.

inline constexpr int kSuccess = 0;
/// What was asked for was done and failed: a run, an expectation, a prediction.
inline constexpr int kFailed = 1;
/// The command line or the project's files have to be mended first.
inline constexpr int kMistake = 2;
/// Could not be done now: no server, a full disk, an error of ours.
inline constexpr int kUnavailable = 3;
/// By Ctrl-C.
inline constexpr int kInterrupted = 130;

/// What stands before or behind any verb.
struct Common {
  std::string project = ".";
  std::string target;  // "" is the project's default_target
  bool json = false;
};

struct RunArguments {
  std::string dag;                  // "" when the project has one
  std::string logical_date;         // "" is the latest point of the schedule
  std::vector<std::string> params;  // "name=value"
  bool clear = false;               // run again although it succeeded
  std::string program;              // a C++ pipeline, run without a project
  bool quiet = false;               // only why tasks failed, and how the run ended
};
int run(const Common& common, const RunArguments& arguments);

struct BackfillArguments {
  std::string dag;
  std::string from;
  std::string to;
  std::vector<std::string> params;
  bool clear = false;
};
int backfill(const Common& common, const BackfillArguments& arguments);

struct CancelArguments {
  std::string dag;
  std::string run;  // "" is all that have not ended
};
int cancel(const Common& common, const CancelArguments& arguments);

struct ClearArguments {
  std::string dag;
  std::string run;
  std::string task;  // "" is all
};
int clear(const Common& common, const ClearArguments& arguments);

struct UpArguments {
  bool detach = false;
};
int up(const Common& common, const UpArguments& arguments);
struct DownArguments {
  bool keep_attempts = false;
};
int down(const Common& common, const DownArguments& arguments);

int check(const Common& common);
int status(const Common& common);

struct LogsArguments {
  std::string dag;
  std::string run;   // "" is the one that said something last
  std::string task;  // "" is all
};
int logs(const Common& common, const LogsArguments& arguments);

struct RunsArguments {
  std::string dag;  // "" is all
  std::int64_t limit = 20;
};
int runs(const Common& common, const RunsArguments& arguments);

struct SqlArguments {
  std::string statement;
  std::string output;          // file: .parquet, .csv or .json; "" prints
  std::int64_t limit = 1'000;  // rows printed
};
int ask_sql(const Common& common, const SqlArguments& arguments);

struct TableArguments {
  std::string name;
  std::string at;  // a version or a time
  std::int64_t limit = 20;
};
int table_list(const Common& common);
int table_show(const Common& common, const TableArguments& arguments);
int table_history(const Common& common, const TableArguments& arguments);
int table_at(const Common& common, const TableArguments& arguments);

struct ModelArguments {
  std::string name;
  std::int64_t version = 0;
  std::string reason;
  std::string input;  // file of rows, CSV or JSON; "-" is standard input
};
int model_list(const Common& common, const ModelArguments& arguments);
int model_show(const Common& common, const ModelArguments& arguments);
int model_promote(const Common& common, const ModelArguments& arguments);
int model_rollback(const Common& common, const ModelArguments& arguments);
int model_predict(const Common& common, const ModelArguments& arguments);

struct ValidateArguments {
  std::string suite;
  std::string table;
  std::string at;
  std::string where;  // SQL: only these rows
};
int validate(const Common& common, const ValidateArguments& arguments);

int version(const Common& common);

/// One attempt of a built-in task: what the executor starts. Not for people.
int attempt();
/// The process that runs the attempts of a project's state folder: what a server starts. Its
/// descriptor 3 is the server's connection. Not for people.
int launch(const std::string& state);
/// What the engine of a program's task may use: the task's resources (0: nothing said) within those of
/// the project's target. Without a project the engine has its own defaults, and spills nowhere.
struct EngineArguments {
  std::string project;
  std::string target;
  int threads = 0;
  std::uint64_t memory_bytes = 0;
};
/// SQL for a program's task over standard input and output. Not for people.
int engine_stdio(const EngineArguments& arguments);

/// Reads argv and runs the verb.
int main(int argc, char** argv);

}  // namespace millrace::cli
