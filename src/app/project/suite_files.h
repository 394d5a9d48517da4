#pragma once

// expectations/*.yml and *.json: what the room quality makes of them, with places.

#include <string>
#include <string_view>

#include "project/project.h"

namespace millrace::project {

/// Adds the suite of one YAML file. What is wrong goes into `problems`.
void read_yaml_suite(const Node& root, const std::string& file, Project& project,
                     Problems& problems);

/// The same of a JSON file, as Great Expectations writes it.
void read_json_suite(std::string_view text, const std::string& file, Project& project,
                     Problems& problems);

}  // namespace millrace::project
