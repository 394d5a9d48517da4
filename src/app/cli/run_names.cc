#include "cli/run_names.h"

#include "metadata/database.h"
#include "orchestration/run_store.h"
#include "server/due.h"

namespace millrace::cli {
namespace {

using DagPtr = std::shared_ptr<const orchestration::Dag>;

Result<DagPtr> dag_named(const project::Project& project, const std::string& name) {
  const auto pipeline = project.pipeline(name);
  if (pipeline.ok()) return orchestration::Dag::make((*pipeline)->dag);
  const auto database = TRY(metadata::open_sqlite_to_read(project.target.metadata));
  auto stored = TRY(orchestration::RunStore::open(*database)).load_dag(orchestration::DagId(name));
  if (!stored.ok()) return pipeline.error();
  return stored;
}

}  // namespace

Result<std::string> run_named(const project::Project& project, const std::string& dag,
                              const std::string& text) {
  const DagPtr named = TRY(dag_named(project, dag));
  if (!named->schedule().zone().parse(text).ok()) return text;
  const Instant due = TRY(server::due_at(*named, text));
  return TRY(orchestration::plan_run(*named, due, Json(), orchestration::RunReason::Manual))
      .key.run.str();
}

}  // namespace millrace::cli
