#pragma once

// What the settings of a task refer to, looked up when the project is checked: names of other
// things, and what the tasks before it give.
//
// Settings may hold var(); they are read as a run without parameters would read them. A task of a
// kind that Millrace does not know from inside (a command, a program) may give anything, so nothing
// is said about a task behind one.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/run_relations.h"
#include "tasks/task_kind.h"

namespace millrace::tasks {

/// The text setting `key` by the Dag's default parameters. Nothing when it is missing, or when it
/// cannot be filled in, which becomes a problem.
std::optional<std::string> setting_by_default(const TaskSettings& settings, std::string_view key,
                                              project::Fields& fields);

/// What a setting names, and the project's folder in whose files it is declared.
struct Declared {
  std::string_view what;    // "training set"
  std::string_view folder;  // "features"
};

/// Notes a problem when the setting names none of `known`; not where a file of that folder has a
/// mistake, since what it declares is not known then. Returns the name when it is known.
std::optional<std::string> check_reference(const TaskSettings& settings, std::string_view key,
                                           const Declared& declared,
                                           const std::vector<std::string>& known,
                                           project::Fields& fields);

/// The direct upstream tasks whose result carries `member`.
std::vector<const orchestration::TaskSpec*> upstream_giving(const TaskSettings& settings,
                                                            std::string_view member);
/// Notes a problem when no direct upstream task gives `member`. `remedy` says which kinds do.
void check_upstream(const TaskSettings& settings, std::string_view member, std::string_view remedy,
                    project::Fields& fields);

/// The training set whose rows the dataset of a direct upstream task holds; nothing when that is
/// not known before the run, or wrong there.
std::optional<BoundSet> upstream_training_set(const TaskSettings& settings);

std::vector<std::string> training_set_names(const project::Project& project);

}  // namespace millrace::tasks
