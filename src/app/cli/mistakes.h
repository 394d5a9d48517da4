#pragma once

// What is wrong with a command line that the parser refused, in words that say what was meant.

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace millrace::cli {

/// "millrace tabel": which verb was meant, or all of them. Nothing when all verbs are known. `words`: argv
/// without the program's name.
std::optional<std::string> unknown_verb(const CLI::App& app, const std::vector<std::string>& words);

/// That; "millrace run --date ...": which option was meant; "millrace model": that a verb is missing, and
/// which there are. Nothing where the parser's own words are as good.
std::optional<std::string> mistake_in(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace millrace::cli
