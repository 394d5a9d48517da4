#include "sql/template.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::sql {
namespace {

constexpr std::size_t kLargestTemplate = 1U << 20U;
constexpr int kDeepest = 16;

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

std::string at(const std::string& file, TextPlace place) {
  return fmt::format("{}:{}:{}", file, place.line, place.column);
}

/// A variable in the middle of text, as dbt writes it.
Result<std::string> as_text(const Template::Var& var, const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return std::string(value.as_bool() ? "True" : "False");
  if (value.is_number()) return value.dump();
  const std::string_view what = value.is_null()    ? "none"
                                : value.is_array() ? "a list"
                                                   : "a mapping";
  return Error(ErrorCode::Unsupported,
               fmt::format("the variable '{}' is {}, which cannot stand in a template yet; make it "
                           "text, a number or a boolean",
                           var.name, what));
}

}  // namespace

/// Reads one template from its text.
class TemplateParser {
 public:
  TemplateParser(std::string text, std::string file) : text_(std::move(text)) {
    made_.file_ = std::move(file);
  }

  Result<Template> parse() {
    if (text_.size() > kLargestTemplate)
      return Error(ErrorCode::Invalid,
                   fmt::format("{}: larger than {} KiB", made_.file_, kLargestTemplate >> 10U));
    while (position_ < text_.size()) {
      const std::size_t open = next_open();
      add_text(text_.substr(position_, open - position_));
      position_ = open;
      if (open == text_.size()) break;
      if (text_[open + 1] == '{')
        TRY(expression());
      else if (text_[open + 1] == '#')
        TRY(comment());
      else
        return statement();
    }
    return std::move(made_);
  }

 private:
  using Arguments = std::vector<std::pair<std::string, Json>>;  // name ("" by position) and value

  std::size_t next_open() const {
    for (std::size_t i = position_; i + 1 < text_.size(); ++i)
      if (text_[i] == '{' && (text_[i + 1] == '{' || text_[i + 1] == '%' || text_[i + 1] == '#'))
        return i;
    return text_.size();
  }

  void add_text(std::string text) {
    if (strip_next_) text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (!text.empty()) strip_next_ = false;
    if (!text.empty()) made_.pieces_.emplace_back(std::move(text));
  }

  /// "{{-" takes away the whitespace before it.
  void strip_before() {
    if (made_.pieces_.empty() || !std::holds_alternative<std::string>(made_.pieces_.back())) return;
    auto& text = std::get<std::string>(made_.pieces_.back());
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
  }

  Error wrong(std::size_t where, std::string message, ErrorCode code = ErrorCode::Invalid) const {
    return Error(code, at(made_.file_, place_of(where)) + ": " + std::move(message));
  }

  Status comment() {
    const std::size_t end = text_.find("#}", position_ + 2);
    if (end == std::string::npos)
      return wrong(position_, "the comment '{#' has no end; close it with '#}'");
    if (text_[position_ + 2] == '-') strip_before();
    strip_next_ = text_[end - 1] == '-';
    position_ = end + 2;
    return {};
  }

  Error statement() {
    std::size_t begin = position_ + 2;
    while (begin < text_.size() && (is_blank(text_[begin]) || text_[begin] == '-')) ++begin;
    std::size_t end = begin;
    while (end < text_.size() && is_word_start(text_[end])) ++end;
    return wrong(
        position_,
        fmt::format(
            "the template statement '{{% {} %}}' is not supported yet; write the SQL without it",
            text_.substr(begin, end - begin)),
        ErrorCode::Unsupported);
  }

  Status expression() {
    const std::size_t begin = position_;
    position_ += 2;
    if (peek() == '-') {
      ++position_;
      strip_before();
    }
    skip_spaces();
    const std::size_t word_at = position_;
    const std::string word = read_word();
    if (word.empty()) return wrong(word_at, "expected ref, source, var or config");
    static const std::vector<std::string> words = {"ref", "source", "var", "config"};
    if (std::ranges::find(words, word) == words.end())
      return wrong(
          word_at,
          fmt::format("'{}' is not supported in a template yet{}", word, suggestion(word, words)),
          ErrorCode::Unsupported);
    skip_spaces();
    const Arguments arguments = TRY(read_arguments(word));
    skip_spaces();
    if (peek() == '|')
      return wrong(position_, "filters ('|') are not supported yet", ErrorCode::Unsupported);
    const bool strips = peek() == '-';
    if (strips) ++position_;
    if (text_.compare(position_, 2, "}}") != 0)
      return wrong(position_, fmt::format("expected '}}}}' to close the '{{{{' at line {}",
                                          place_of(begin).line));
    position_ += 2;
    strip_next_ = strips;
    return add_word(word, word_at, arguments);
  }

  Status add_word(const std::string& word, std::size_t where, const Arguments& arguments) {
    const TextPlace place = place_of(where);
    if (word == "config") return add_config(where, arguments);
    for (const auto& [name, value] : arguments)
      if (!name.empty())
        return wrong(where, fmt::format("{}() takes no argument named '{}'", word, name));
    const std::size_t count = arguments.size();
    const auto is_text = [&](std::size_t i) { return arguments[i].second.is_string(); };
    if (word == "ref") {
      if (count == 2 && is_text(0) && is_text(1))
        return wrong(where, "ref('package', 'model') is not supported yet; write ref('model')",
                     ErrorCode::Unsupported);
      if (count != 1 || !is_text(0))
        return wrong(where, "ref() takes the name of one model: ref('labels')");
      made_.pieces_.emplace_back(Template::Ref{arguments[0].second.as_string(), place});
    } else if (word == "source") {
      if (count != 2 || !is_text(0) || !is_text(1))
        return wrong(where, "source() takes two names: source('airline', 'flights')");
      made_.pieces_.emplace_back(Template::Source{arguments[0].second.as_string(),
                                                  arguments[1].second.as_string(), place});
    } else {
      if (count < 1 || count > 2 || !is_text(0))
        return wrong(where, "var() takes a name and perhaps a default");
      made_.pieces_.emplace_back(
          Template::Var{arguments[0].second.as_string(),
                        count == 2 ? std::optional(arguments[1].second) : std::nullopt, place});
    }
    return {};
  }

  Status add_config(std::size_t where, const Arguments& arguments) {
    if (!made_.config_.as_object().empty())
      return wrong(where, "config() stands twice in this file");
    for (const auto& [name, value] : arguments) {
      if (name.empty())
        return wrong(where, "config() takes named arguments: config(materialized='table')");
      made_.config_.set(name, value);
    }
    return {};
  }

  Result<Arguments> read_arguments(const std::string& word) {
    if (peek() != '(') return wrong(position_, fmt::format("expected '(' after '{}'", word));
    ++position_;
    Arguments arguments;
    for (skip_spaces(); peek() != ')'; skip_spaces()) {
      if (!arguments.empty()) {
        if (peek() != ',') return wrong(position_, "expected ',' or ')'");
        ++position_;
        skip_spaces();
        if (peek() == ')') break;
      }
      arguments.push_back(TRY(read_argument()));
    }
    ++position_;
    return arguments;
  }

  Result<std::pair<std::string, Json>> read_argument() {
    const std::size_t begin = position_;
    if (is_word_start(peek())) {
      std::string name = read_word();
      skip_spaces();
      if (peek() == '=') {
        ++position_;
        skip_spaces();
        return std::pair(std::move(name), TRY(read_value(0)));
      }
      position_ = begin;
    }
    return std::pair(std::string(), TRY(read_value(0)));
  }

  /// A literal: 'text', "text", a number, true, false, none, [list] or {mapping}.
  Result<Json> read_value(int depth) {
    if (depth > kDeepest) return wrong(position_, "nested too deeply");
    const char c = peek();
    if (c == '\'' || c == '"') return read_text();
    if (c == '[') return read_list(depth);
    if (c == '{') return read_mapping(depth);
    if (is_digit(c) || c == '-') return read_number();
    const std::size_t begin = position_;
    const std::string word = read_word();
    if (word == "true" || word == "True") return Json(true);
    if (word == "false" || word == "False") return Json(false);
    if (word == "none" || word == "None") return Json();
    return wrong(begin,
                 word.empty()
                     ? "expected a value: text in quotes, a number, true, false, none or a [list]"
                     : fmt::format("'{}' is no value; text stands in quotes: '{}'", word, word));
  }

  Result<Json> read_text() {
    const std::size_t begin = position_;
    const char quote = text_[position_++];
    std::string value;
    for (; position_ < text_.size() && text_[position_] != quote; ++position_) {
      value += text_[position_] == '\\' ? TRY(read_escape()) : text_[position_];
    }
    if (position_ == text_.size())
      return wrong(begin,
                   fmt::format("the text that begins here has no end; close it with {}", quote));
    ++position_;
    return Json(std::move(value));
  }

  /// The character that a backslash and what follows it stand for; ends on the last of them.
  Result<char> read_escape() {
    const std::size_t begin = position_++;
    switch (peek()) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case '\\':
      case '\'':
      case '"':
        return peek();
      default:
        return wrong(begin,
                     "after a backslash there may be n, t, a quote or a backslash here; write "
                     "'\\\\' for a backslash",
                     ErrorCode::Unsupported);
    }
  }

  Result<Json> read_number() {
    const std::size_t first = position_ + (peek() == '-' ? 1 : 0);
    if (first >= text_.size() || !is_digit(text_[first]))
      return wrong(position_, "expected a number");
    const char* begin = text_.data() + position_;
    const char* limit = text_.data() + text_.size();
    std::int64_t integer = 0;
    const auto whole = std::from_chars(begin, limit, integer);
    double number = 0;
    const auto real = std::from_chars(begin, limit, number);
    if (real.ec != std::errc()) return wrong(position_, "expected a number");
    position_ += static_cast<std::size_t>(real.ptr - begin);
    if (whole.ec == std::errc() && whole.ptr == real.ptr) return Json(integer);
    return Json(number);
  }

  Result<Json> read_list(int depth) {
    Json list = Json::array();
    ++position_;
    for (skip_spaces(); peek() != ']'; skip_spaces()) {
      if (!list.as_array().empty()) {
        if (peek() != ',') return wrong(position_, "expected ',' or ']'");
        ++position_;
        skip_spaces();
        if (peek() == ']') break;
      }
      list.push(TRY(read_value(depth + 1)));
    }
    ++position_;
    return list;
  }

  Result<Json> read_mapping(int depth) {
    Json mapping = Json::object();
    ++position_;
    for (skip_spaces(); peek() != '}'; skip_spaces()) {
      if (!mapping.as_object().empty()) {
        if (peek() != ',') return wrong(position_, "expected ',' or '}'");
        ++position_;
        skip_spaces();
        if (peek() == '}') break;
      }
      const Json key = TRY(read_value(depth + 1));
      skip_spaces();
      if (!key.is_string() || peek() != ':') return wrong(position_, "expected 'name': value");
      ++position_;
      skip_spaces();
      mapping.set(key.as_string(), TRY(read_value(depth + 1)));
    }
    ++position_;
    return mapping;
  }

  /// Words are met from the beginning to the end, so each place is found from the one before: a
  /// template of a hundred thousand words is read in one pass.
  TextPlace place_of(std::size_t where) const {
    if (where < placed_at_) {
      placed_at_ = 0;
      placed_ = {};
    }
    for (; placed_at_ < where; ++placed_at_) {
      if (text_[placed_at_] == '\n') {
        ++placed_.line;
        placed_.column = 1;
      } else {
        ++placed_.column;
      }
    }
    return placed_;
  }

  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  void skip_spaces() {
    while (is_blank(peek())) ++position_;
  }
  std::string read_word() {
    const std::size_t begin = position_;
    while (is_word_start(peek()) || (position_ > begin && is_digit(peek()))) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  std::string text_;
  std::size_t position_ = 0;
  bool strip_next_ = false;
  mutable std::size_t placed_at_ = 0;
  mutable TextPlace placed_;
  Template made_;
};

Result<Template> Template::parse(std::string text, std::string file) {
  return TemplateParser(std::move(text), std::move(file)).parse();
}

namespace {

template <typename Word, typename Pieces>
std::vector<Word> words_of(const Pieces& pieces) {
  std::vector<Word> words;
  for (const auto& piece : pieces)
    if (const auto* word = std::get_if<Word>(&piece)) words.push_back(*word);
  return words;
}

}  // namespace

std::vector<Template::Ref> Template::refs() const {
  return words_of<Ref>(pieces_);
}
std::vector<Template::Source> Template::sources() const {
  return words_of<Source>(pieces_);
}
std::vector<Template::Var> Template::vars() const {
  return words_of<Var>(pieces_);
}

bool Template::is_plain() const {
  return config_.as_object().empty() && std::ranges::all_of(pieces_, [](const Piece& piece) {
           return std::holds_alternative<std::string>(piece);
         });
}

Result<std::string> Template::render(const Resolver& resolver) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (const auto* text = std::get_if<std::string>(&piece)) {
      out += *text;
    } else if (const auto* ref = std::get_if<Ref>(&piece)) {
      out += TRY_DOING(at(file_, ref->place), resolver.ref(*ref));
    } else if (const auto* source = std::get_if<Source>(&piece)) {
      out += TRY_DOING(at(file_, source->place), resolver.source(*source));
    } else if (const auto* var = std::get_if<Var>(&piece)) {
      std::optional<Json> value = TRY_DOING(at(file_, var->place), resolver.var(*var));
      if (!value.has_value()) value = var->fallback;
      if (!value.has_value())
        return Error(
            ErrorCode::NotFound,
            fmt::format(
                "{}: the variable '{}' is not set; set it under 'vars:' in millrace.yml, as a "
                "parameter of the Dag, or give a default: var('{}', ...)",
                at(file_, var->place), var->name, var->name));
      out += TRY_DOING(at(file_, var->place), as_text(*var, *value));
    }
  }
  return out;
}

Result<std::string> render_setting(
    std::string_view text, const std::string& where,
    const std::function<std::optional<Json>(const std::string&)>& var) {
  const Template setting = TRY(Template::parse(std::string(text), where));
  const Error only_var(ErrorCode::Unsupported, "only {{ var('name') }} is known in a setting");
  if (!setting.config().as_object().empty()) return Error(only_var).while_doing(where);
  return setting.render({.ref = [&](const auto&) -> Result<std::string> { return only_var; },
                         .source = [&](const auto&) -> Result<std::string> { return only_var; },
                         .var = [&](const Template::Var& name) -> Result<std::optional<Json>> {
                           return var(name.name);
                         }});
}

}  // namespace millrace::sql
