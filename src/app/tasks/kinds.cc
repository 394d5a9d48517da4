// The list of kinds. Registering themselves would be lost without a word when a static library is
// linked.

#include <array>

#include "tasks/each_kind.h"
#include "tasks/task_kind.h"

namespace millrace::tasks {

std::span<const TaskKind* const> all_kinds() {
  static const std::array<const TaskKind*, 10> kKinds = {
      &land_kind(),  &sql_model_kind(), &training_data_kind(), &validate_kind(), &leak_check_kind(),
      &train_kind(), &evaluate_kind(),  &deploy_kind(),        &command_kind(),  &program_kind(),
  };
  return kKinds;
}

const TaskKind* find_kind(std::string_view name) {
  for (const TaskKind* kind : all_kinds())
    if (kind->name() == name) return kind;
  return nullptr;
}

Result<Json> TaskKind::prepare(const ServerSide& /*server*/,
                               const orchestration::TaskInstance& /*instance*/) const {
  return Json::object();
}

void TaskKind::choose_program(const ServerSide& /*server*/,
                              const orchestration::TaskInstance& /*instance*/,
                              orchestration::Preparation& /*preparation*/) const {}

Status TaskKind::complete(const ServerSide& /*server*/, metadata::Transaction& /*transaction*/,
                          const orchestration::TaskInstance& /*instance*/,
                          const Json& /*result*/) const {
  return {};
}

Result<std::string> TaskKind::content_key(Attempt& /*attempt*/) const {
  return std::string();
}

Result<bool> TaskKind::still_there(Attempt& /*attempt*/, const Json& /*result*/) const {
  return true;
}

std::vector<std::string> TaskKind::gives() const {
  return {};
}

SettingsReader::SettingsReader(const TaskSettings& settings, project::Problems& problems)
    : Fields(settings.node, "task of kind " + settings.task.kind, problems) {
  for (const std::string& member : project::common_task_members()) any(member);
}

}  // namespace millrace::tasks
