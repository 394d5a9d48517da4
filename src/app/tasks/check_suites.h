#pragma once

// The part of `millrace check` that asks whether suites fit the tables of the tasks that ask them.

#include <map>
#include <string>
#include <vector>

#include "columnar/schema.h"
#include "engine/engine.h"
#include "project/project.h"

namespace millrace::tasks {

/// What suites can be asked of.
struct SuiteSubjects {
  const std::map<std::string, columnar::Schema>& landed;  // of the sources, by table in the lake
  engine::Engine& engine;
  engine::Session& session;  // has the project's SQL models, without rows, by some Dag's parameters
};

/// A task of kind validate.
struct SuiteQuestion {
  const project::Pipeline* pipeline;
  const orchestration::TaskSpec* task;
  const project::Node* node;
  /// The Dags by whose parameters the table is made that it asks of: its own where that makes it, else
  /// every one that does.
  std::vector<const project::Pipeline*> makers;
};

/// All of the project, each with what makes its table.
std::vector<SuiteQuestion> suite_questions(const project::Project& project);

/// An expectation that could not be evaluated: a column which the table does not have, a value that
/// cannot stand in it.
struct SuiteMistake {
  project::Problem problem;
  bool stops;  // it is critical; else a warning, since it stops no run
};

/// Expectations of the table's shape (which columns there are) may be wrong of today's columns, and are
/// left to the run; so is a table that neither a source nor a SQL model of the project makes. A column
/// that only the target's lake has, of an earlier declaration, is there where the table keeps rows of
/// before: a source's, or an incremental model's.
std::vector<SuiteMistake> suite_mistakes(const SuiteQuestion& question,
                                         const SuiteSubjects& subjects,
                                         const project::Project& project);

}  // namespace millrace::tasks
