#include "cli/mistakes.h"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/suggest.h"

namespace millrace::cli {
namespace {

using Words = std::vector<std::string>;

Words verbs_of(const CLI::App& app) {
  Words names;
  for (const CLI::App* verb : app.get_subcommands({}))
    if (!verb->get_group().empty()) names.push_back(verb->get_name());
  return names;
}

Words options_of(const CLI::App& app) {
  Words names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// All of them: who does not know a verb or an option has to see every one.
std::string meant(const std::string& word, const Words& known) {
  if (const auto near = nearest_word(word, known))
    return fmt::format("; did you mean '{}'?", *near);
  return fmt::format("; known: {}", fmt::join(known, ", "));
}

/// "--date" for "--logical-date": a part of the name is no slip, and as likely what was meant.
std::string option_meant(const std::string& word, const Words& known) {
  const std::string part = "-" + word.substr(2);
  if (!nearest_word(word, known).has_value() && word.size() > 3)
    for (const std::string& name : known)
      if ((name + "-").find(part + "-") != std::string::npos)
        return fmt::format("; did you mean '{}'?", name);
  return meant(word, known);
}

/// The words behind the options that may stand before a verb.
std::size_t first_verb(const Words& words) {
  std::size_t at = 0;
  for (; at < words.size() && words[at].starts_with('-'); ++at) {
    const std::string& option = words[at];
    if (option == "-C" || option == "--project" || option == "-t" || option == "--target") ++at;
  }
  return std::min(at, words.size());
}

/// How far the verbs in a command line are known.
struct Reached {
  const CLI::App* app = nullptr;
  std::string said = "millrace";  // "millrace table"
  std::size_t behind = 0;         // the first word that is none of these verbs
  std::string unknown_verb;       // it, where it should be one
};

Reached reach(const CLI::App& app, const Words& words) {
  Reached reached{.app = &app};
  std::size_t i = first_verb(words);
  for (; i < words.size() && !words[i].starts_with('-'); ++i) {
    if (verbs_of(*reached.app).empty()) break;
    const auto verbs = reached.app->get_subcommands({});
    const auto next =
        std::ranges::find(verbs, words[i], [](const CLI::App* verb) { return verb->get_name(); });
    if (next == verbs.end()) {
      reached.unknown_verb = words[i];
      return reached;
    }
    reached.app = *next;
    reached.said += " " + words[i];
  }
  reached.behind = i;
  return reached;
}

/// Of the verb `of`, among words[from] to words[to - 1].
std::optional<std::string> unknown_option(const CLI::App& of, const std::string& said,
                                          const Words& words, std::size_t from, std::size_t to) {
  const Words known = options_of(of);
  for (std::size_t i = from; i < to && words[i] != "--"; ++i) {
    const std::string option = words[i].substr(0, words[i].find('='));
    if (!option.starts_with("--") || std::ranges::find(known, option) != known.end()) continue;
    const CLI::Option* before = i > from ? of.get_option_no_throw(words[i - 1]) : nullptr;
    if (before != nullptr && before->get_expected_min() > 0) continue;  // its value
    return fmt::format("{} has no option '{}'{}", said, option, option_meant(option, known));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> unknown_verb(const CLI::App& app,
                                        const std::vector<std::string>& words) {
  const Reached reached = reach(app, words);
  return reached.unknown_verb.empty()
             ? std::nullopt
             : std::optional(fmt::format("{} has no verb '{}'{}", reached.said,
                                         reached.unknown_verb,
                                         meant(reached.unknown_verb, verbs_of(*reached.app))));
}

std::optional<std::string> mistake_in(const CLI::App& app, const std::vector<std::string>& words) {
  if (auto verb = unknown_verb(app, words)) return verb;
  const Reached reached = reach(app, words);
  const std::size_t verb = first_verb(words);
  if (auto option = unknown_option(app, "millrace", words, 0, verb)) return option;
  if (auto option = unknown_option(*reached.app, reached.said, words, reached.behind, words.size()))
    return option;
  if (const Words verbs = verbs_of(*reached.app); !verbs.empty())
    return fmt::format("{} needs a verb: {}", reached.said, fmt::join(verbs, ", "));
  return std::nullopt;
}

}  // namespace millrace::cli
