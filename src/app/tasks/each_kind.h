#pragma once

// Every kind by name; each lies in the .cc file of its name.

#include "tasks/task_kind.h"

namespace millrace::tasks {

const TaskKind& land_kind();           // delivered files -> a table
const TaskKind& sql_model_kind();      // a SQL model -> a table
const TaskKind& training_data_kind();  // a training set -> a table and training_data.parquet
const TaskKind& validate_kind();       // a suite, the circuit breaker
const TaskKind& leak_check_kind();     // training rows recomputed as of their scoring times
const TaskKind& train_kind();          // training rows -> a registered version
const TaskKind& evaluate_kind();       // the holdout, the gate, the tag Production
const TaskKind& deploy_kind();         // the endpoint switches
const TaskKind& command_kind();        // any program
const TaskKind& program_kind();        // a task of a pipeline program

}  // namespace millrace::tasks
