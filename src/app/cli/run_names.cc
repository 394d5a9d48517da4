#include "cli/run_names.h"

#include "orchestration/run.h"
#include "server/due.h"

namespace millrace::cli {

Result<std::string> run_named(const project::Project& project, const std::string& dag,
                              const std::string& text) {
  const project::Pipeline* pipeline = TRY(project.pipeline(dag));
  const auto made = TRY(orchestration::Dag::make(pipeline->dag));
  if (!made->schedule().zone().parse(text).ok()) return text;
  const Instant due = TRY(server::due_at(*made, text));
  return TRY(orchestration::plan_run(*made, due, Json(), orchestration::RunReason::Manual))
      .key.run.str();
}

}  // namespace millrace::cli
