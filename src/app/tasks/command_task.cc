// command: any program. Exit status 0 is success; what it prints is the task's log.
//
//   - id: notify
//     kind: command
//     command: [./notify.sh, "--quiet"]     # or one text, for sh -c
//     environment: {LEVEL: info}
//
// It runs in the project's folder and finds the run in its environment: MILLRACE_DAG, MILLRACE_RUN,
// MILLRACE_TASK, MILLRACE_LOGICAL_DATE, MILLRACE_INTERVAL_START, MILLRACE_PARAMS (JSON).

#include "tasks/each_kind.h"

namespace millrace::tasks {
namespace {

std::vector<std::string> command_of(const Json& config) {
  const Json& command = config["command"];
  if (command.is_string()) return {"/bin/sh", "-c", command.as_string()};
  std::vector<std::string> words;
  if (command.is_array())
    for (const Json& word : command.as_array())
      words.push_back(word.is_string() ? word.as_string() : word.dump());
  return words;
}

class CommandTask final : public TaskKind {
 public:
  std::string_view name() const override { return "command"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    if (fields.texts("command").empty())
      fields.problem("command", "a command is a text, or a list of its words");
    fields.mapping("environment");
    fields.refuse_unknown();
  }

  void choose_program(const ServerSide& server, const orchestration::TaskInstance& instance,
                      orchestration::Preparation& preparation) const override {
    preparation.command = command_of(instance.task.config);
    preparation.speaks = orchestration::Preparation::Speaks::Nothing;
    preparation.working_folder = server.project.root;
    preparation.environment = {
        {"MILLRACE_DAG", instance.run.key.dag.str()},
        {"MILLRACE_RUN", instance.run.key.run.str()},
        {"MILLRACE_TASK", instance.task.id.str()},
        {"MILLRACE_LOGICAL_DATE", format_instant(instance.run.logical_date)},
        {"MILLRACE_INTERVAL_START", format_instant(instance.run.interval.start)},
        {"MILLRACE_PARAMS", instance.run.params.dump()}};
    if (instance.task.config["environment"].is_object())
      for (const auto& [name, value] : instance.task.config["environment"].as_object())
        preparation.environment[name] = value.is_string() ? value.as_string() : value.dump();
  }

  Result<Json> run(Attempt& /*attempt*/) const override {
    return Error(ErrorCode::Internal, "a command is run by the executor itself");
  }
};

}  // namespace

const TaskKind& command_kind() {
  static const CommandTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
