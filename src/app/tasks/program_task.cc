// program: a task of a pipeline that is a program (docs/formats/program.md). The program is started
// with `run-task <id>` and speaks the attempt protocol.

#include "tasks/each_kind.h"

namespace millrace::tasks {
namespace {

class ProgramTask final : public TaskKind {
 public:
  std::string_view name() const override { return "program"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    if (settings.pipeline.program.empty())
      problems.push_back({settings.node.place(),
                          "tasks of kind program come from pipeline programs; name one under "
                          "'programs' in millrace.yml"});
  }

  void choose_program(const ServerSide& server, const orchestration::TaskInstance& instance,
                      orchestration::Preparation& preparation) const override {
    if (const project::Pipeline* pipeline =
            server.project.find_pipeline(instance.run.key.dag.str()))
      preparation.command = {pipeline->program, "run-task", instance.task.id.str()};
    preparation.working_folder = server.project.root;
  }

  Result<Json> run(Attempt& /*attempt*/) const override {
    return Error(ErrorCode::Internal, "a program runs its own tasks");
  }
};

}  // namespace

const TaskKind& program_kind() {
  static const ProgramTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
