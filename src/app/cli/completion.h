#pragma once

// Completion of the command line by the shell.

#include <map>
#include <string>
#include <vector>

namespace millrace::cli {

/// A script for bash. `words` says what may stand behind each verb; "" is the beginning.
std::string bash_completion(const std::map<std::string, std::vector<std::string>>& words);
/// Prints it; returns the exit code.
int print_completion(const std::map<std::string, std::vector<std::string>>& words);

}  // namespace millrace::cli
