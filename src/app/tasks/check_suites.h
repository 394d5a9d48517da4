#pragma once

// The part of `millrace check` that asks whether suites fit the tables of the tasks that ask them.

#include <map>
#include <string>

#include "columnar/schema.h"
#include "engine/engine.h"
#include "project/project.h"

namespace millrace::tasks {

/// What suites can be asked of.
struct SuiteSubjects {
  const std::map<std::string, columnar::Schema>& landed;  // of the sources, by table in the lake
  engine::Engine& engine;
  engine::Session& session;  // has the project's SQL models, without rows, as this Dag defines them
};

/// Whether a task of the Dag is of kind validate.
bool asks_a_suite(const project::Pipeline& pipeline);

/// Notes every expectation of the Dag's suites that could not be evaluated: a column which the table
/// does not have, a value that cannot stand in it. It is a problem where it is critical, else a
/// warning, since it stops no run.
///
/// Expectations of the table's shape (which columns there are) may be wrong of today's columns, and are
/// left to the run; so is a table that neither a source nor a SQL model of the project makes. A column
/// that only the target's lake has, of an earlier declaration, is there.
void check_suites(const project::Pipeline& pipeline, const SuiteSubjects& subjects,
                  project::Loaded& loaded);

}  // namespace millrace::tasks
