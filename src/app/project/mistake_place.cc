#include "project/mistake_place.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace millrace::project {
namespace {

/// The member that a step names, also by its singular: "expectation" in `expectations`.
const Node* member(const Node& at, std::string_view word) {
  if (const Node* found = at.find(word)) return found;
  return at.find(std::string(word) + "s");
}

bool says(const Node* node, std::string_view text) {
  return node != nullptr && node->kind() == Node::Kind::Scalar && node->scalar().is_string() &&
         node->scalar().as_string() == text;
}

/// The element that is the text, or has it for its name.
const Node* element_named(const Node& list, std::string_view name) {
  for (const Node& each : list.elements())
    if (says(&each, name) || says(each.find("id"), name) || says(each.find("name"), name) ||
        says(each.find("feature"), name))
      return &each;
  return nullptr;
}

/// "ttl", "feature_views 2 (weather)", "task 'a'", "feature weather:rain". Null where there is no
/// such thing.
const Node* step(const Node& at, std::string_view text) {
  const std::size_t space = text.find(' ');
  const Node* found = member(at, text.substr(0, space));
  if (found == nullptr || space == std::string_view::npos) return found;
  std::string_view which = text.substr(space + 1);
  std::size_t number = 0;
  const auto read = std::from_chars(which.data(), which.data() + which.size(), number);
  if (read.ec == std::errc() && number > 0 && number <= found->elements().size())
    return &found->elements()[number - 1];
  const bool in_quotes = which.size() > 2 && which.front() == which.back() &&
                         (which.front() == '\'' || which.front() == '"');
  if (in_quotes) which = which.substr(1, which.size() - 2);
  const Node* named = element_named(*found, which);
  return named != nullptr ? named : found;
}

/// "task 'a' comes after ...": the length of "task 'a'".
std::optional<std::size_t> subject_of(std::string_view message) {
  const std::size_t open = message.find(' ');
  if (open == std::string_view::npos || !message.substr(open + 1).starts_with('\''))
    return std::nullopt;
  const std::size_t close = message.find("' ", open + 2);
  if (close == std::string_view::npos) return std::nullopt;
  return close + 1;
}

const Node* value_in(const Node& at, std::string_view text) {
  if (says(&at, text)) return &at;
  for (const Node& each : at.elements())
    if (const Node* found = value_in(each, text)) return found;
  for (const Node::Entry& entry : at.entries())
    if (const Node* found = value_in(entry.value, text)) return found;
  return nullptr;
}

/// The key, or else the value, that the message names first in quotes.
std::optional<Place> quoted(const Node& at, std::string_view message) {
  const std::size_t open = message.find_first_of("'\"");
  if (open == std::string_view::npos) return std::nullopt;
  const std::size_t close = message.find(message[open], open + 1);
  const std::string_view name = message.substr(open + 1, close - open - 1);
  const auto& entries = at.entries();
  const auto key = std::ranges::find(entries, name, &Node::Entry::key);
  if (key != entries.end()) return key->place;
  if (const Node* value = value_in(at, name)) return value->place();
  return std::nullopt;
}

/// "resources.threads must be ...": the value of that member.
const Node* first_word(const Node& at, std::string_view message) {
  std::string_view word = message.substr(0, message.find(' '));
  const Node* found = &at;
  while (found != nullptr && !word.empty()) {
    const std::size_t dot = std::min(word.find('.'), word.size());
    found = found->find(word.substr(0, dot));
    word.remove_prefix(std::min(dot + 1, word.size()));
  }
  return found == &at ? nullptr : found;
}

/// Takes ":12" from the end.
std::optional<int> take_number(std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  int number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + colon + 1, end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  text.erase(colon);
  return number;
}

}  // namespace

Place place_of_mistake(const Node& document, std::string_view message) {
  const Node* at = &document;
  for (;;) {
    const std::size_t colon = message.find(": ");
    const Node* next =
        colon == std::string_view::npos ? nullptr : step(*at, message.substr(0, colon));
    std::size_t length = colon + 2;
    if (const auto subject = next == nullptr ? subject_of(message) : std::nullopt) {
      next = step(*at, message.substr(0, *subject));
      length = *subject + 1;
    }
    if (next == nullptr) break;
    at = next;
    message.remove_prefix(length);
  }
  if (const auto place = quoted(*at, message)) return *place;
  const Node* word = first_word(*at, message);
  return word != nullptr ? word->place() : at->place();
}

Problem problem_with_place(std::string_view folder, std::string message) {
  const std::size_t end = message.find(": ");
  if (!message.starts_with(folder) || end == std::string::npos) return {{}, std::move(message)};
  Place place{message.substr(0, end)};
  const std::optional<int> last = take_number(place.file);
  const std::optional<int> first = last.has_value() ? take_number(place.file) : std::nullopt;
  place.line = first.has_value() ? *first : last.value_or(0);
  place.column = first.has_value() ? *last : 0;
  return {std::move(place), message.substr(end + 2)};
}

Place place_in_definition(const NamedNodes& definitions, std::string_view message,
                          Place otherwise) {
  for (const auto& [name, node] : definitions)
    if (message.starts_with(name + ": "))
      return place_of_mistake(node, message.substr(name.size() + 2));
  return otherwise;
}

}  // namespace millrace::project
