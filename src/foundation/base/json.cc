#include "base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_map>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <fmt/core.h>

#include "base/json_unique_members.h"
#include "base/utf8.h"

namespace millrace {
namespace {

namespace bj = boost::json;

/// Builds a Json from the events of Boost's parser. Boost.JSON 1.81's own doubles are up to a unit
/// in the last place off (0.9123456789012345 came back as ...344), so numbers are read from their
/// text.
class Builder {
 public:
  using Code = boost::system::error_code;
  // NOLINTBEGIN(readability-identifier-naming): the names that Boost's parser asks for
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();
  // NOLINTEND(readability-identifier-naming)

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) {
    open_.push_back(Json::object());
    return true;
  }
  bool on_object_end(std::size_t, Code&) {
    Json object = take_open();
    keep_last_of_each_name(object.as_object());
    return add(std::move(object));
  }
  /// The first member that stood twice in an object.
  const std::optional<std::string>& repeated() const { return repeated_; }
  bool on_array_begin(Code&) {
    open_.push_back(Json::array());
    return true;
  }
  bool on_array_end(std::size_t, Code&) { return add(take_open()); }
  bool on_key_part(bj::string_view part, std::size_t, Code&) { return on_part(part); }
  bool on_key(bj::string_view part, std::size_t, Code&) {
    on_part(part);
    open_.back().as_object().emplace_back(std::move(text_), Json());
    text_.clear();
    return true;
  }
  bool on_string_part(bj::string_view part, std::size_t, Code&) { return on_part(part); }
  bool on_string(bj::string_view part, std::size_t, Code&) {
    on_part(part);
    const bool added = add(Json(std::move(text_)));
    text_.clear();
    return added;
  }
  bool on_number_part(bj::string_view part, Code&) { return on_part(part); }
  bool on_int64(std::int64_t number, bj::string_view, Code&) {
    text_.clear();
    return add(number);
  }
  // Only above the signed range.
  bool on_uint64(std::uint64_t number, bj::string_view, Code&) {
    text_.clear();
    return add(static_cast<double>(number));
  }
  bool on_double(double roughly, bj::string_view part, Code&) {
    on_part(part);
    double number = 0;
    const auto read = std::from_chars(text_.data(), text_.data() + text_.size(), number);
    text_.clear();
    // Outside the range of a double: zero or infinite, as Boost has it.
    return add(read.ec == std::errc() ? number : roughly);
  }
  bool on_bool(bool value, Code&) { return add(value); }
  bool on_null(Code&) { return add(nullptr); }
  bool on_comment_part(bj::string_view, Code&) { return true; }
  bool on_comment(bj::string_view, Code&) { return true; }

  Json take() { return std::move(root_); }

 private:
  bool on_part(bj::string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }
  Json take_open() {
    Json json = std::move(open_.back());
    open_.pop_back();
    return json;
  }
  bool add(Json value) {
    if (open_.empty())
      root_ = std::move(value);
    else if (open_.back().is_array())
      open_.back().push(std::move(value));
    else
      open_.back().as_object().back().second = std::move(value);
    return true;
  }
  void keep_last_of_each_name(Json::Object& members) {
    std::unordered_map<std::string_view, std::size_t> last;
    for (std::size_t i = 0; i < members.size(); ++i) last[members[i].first] = i;
    if (last.size() == members.size()) return;
    Json::Object kept;
    for (std::size_t i = 0; i < members.size(); ++i)
      if (last.at(members[i].first) == i)
        kept.push_back(members[i]);
      else if (!repeated_)
        repeated_ = members[i].first;
    members = std::move(kept);
  }

  std::vector<Json> open_;  // containers whose end has not come yet
  std::string text_;        // a key, string or number that came in parts
  Json root_;
  std::optional<std::string> repeated_;
};

void write_string(std::string& out, const std::string& text) {
  if (!is_utf8(text)) {
    write_string(out, to_utf8(text));
    return;
  }
  out += bj::serialize(bj::string_view(text.data(), text.size()));
}

void write_double(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const std::string text = fmt::format("{}", number);  // the shortest that reads back the same
  out += text;
  if (text.find_first_of(".eE") == std::string::npos) out += ".0";
}

enum class Layout { OneLine, Pretty, Canonical };

void write(std::string& out, const Json& json, Layout layout, int depth);

void new_line(std::string& out, Layout layout, int depth) {
  if (layout != Layout::Pretty) return;
  out += '\n';
  out.append(static_cast<std::size_t>(depth) * 2, ' ');
}

void write_array(std::string& out, const Json::Array& array, Layout layout, int depth) {
  out += '[';
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (i > 0) out += ',';
    new_line(out, layout, depth + 1);
    write(out, array[i], layout, depth + 1);
  }
  if (!array.empty()) new_line(out, layout, depth);
  out += ']';
}

void write_object(std::string& out, const Json::Object& object, Layout layout, int depth) {
  std::vector<const Json::Member*> members;
  for (const Json::Member& member : object) members.push_back(&member);
  if (layout == Layout::Canonical)
    std::ranges::stable_sort(members, {}, [](const Json::Member* m) { return m->first; });
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ',';
    new_line(out, layout, depth + 1);
    write_string(out, members[i]->first);
    out += layout == Layout::Pretty ? ": " : ":";
    write(out, members[i]->second, layout, depth + 1);
  }
  if (!members.empty()) new_line(out, layout, depth);
  out += '}';
}

void write(std::string& out, const Json& json, Layout layout, int depth) {
  if (json.is_null())
    out += "null";
  else if (json.is_bool())
    out += json.as_bool() ? "true" : "false";
  else if (json.is_integer())
    out += std::to_string(json.as_integer());
  else if (json.is_number())
    write_double(out, json.as_double());
  else if (json.is_string())
    write_string(out, json.as_string());
  else if (json.is_array())
    write_array(out, json.as_array(), layout, depth);
  else
    write_object(out, json.as_object(), layout, depth);
}

std::string written(const Json& json, Layout layout) {
  std::string out;
  write(out, json, layout, 0);
  return out;
}

std::string line_and_column(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  std::size_t line = 1;
  std::size_t start = 0;
  for (std::size_t i = 0; i < offset; ++i)
    if (text[i] == '\n') {
      ++line;
      start = i + 1;
    }
  return fmt::format("line {}, column {}", line, offset - start + 1);
}

Error wrong_type(std::string_view name, std::string_view expected, const Json* found) {
  const auto with_article = [](std::string_view noun) {
    return fmt::format("{} {}",
                       std::string_view("aio").find(noun[0]) != std::string_view::npos ? "an" : "a",
                       noun);
  };
  const std::string state = found == nullptr   ? "missing"
                            : found->is_null() ? "null"
                                               : with_article(found->type_name());
  return Error(ErrorCode::Invalid,
               fmt::format("'{}' is {}; expected {}", name, state, with_article(expected)));
}

Result<Builder> read(std::string_view text, std::size_t deepest) {
  bj::parse_options options;
  options.max_depth = deepest;
  bj::basic_parser<Builder> parser(options);
  boost::system::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used < text.size() &&
      text.find_first_not_of(" \t\r\n", used) != std::string_view::npos)
    error = bj::error::extra_data;
  if (!error && !parser.done()) error = bj::error::incomplete;
  if (error)
    return Error(ErrorCode::Invalid,
                 fmt::format("not JSON at {}: {}", line_and_column(text, used), error.message()));
  return std::move(parser.handler());
}

}  // namespace

// What the compiler would write by itself, once here and not in every file that has a Json.
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;
bool Json::operator==(const Json&) const = default;

Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(Array value) : value_(std::move(value)) {}
Json::Json(const std::vector<std::string>& values) : value_(Array(values.begin(), values.end())) {}

Json Json::array() {
  return Json(Array{});
}

Json Json::object() {
  return object({});
}

Json Json::object(std::initializer_list<Member> members) {
  Json json;
  json.value_ = Object(members);
  return json;
}

Result<Json> Json::parse(std::string_view text, std::size_t deepest) {
  return TRY(read(text, deepest)).take();
}

Result<Json> parse_json_with_unique_members(std::string_view text) {
  Builder builder = TRY(read(text, 64));
  if (builder.repeated())
    return Error(ErrorCode::Invalid,
                 fmt::format("the member '{}' stands twice in one object; give it once",
                             builder.repeated()->substr(0, 100)));
  return builder.take();
}

std::string Json::dump() const {
  return written(*this, Layout::OneLine);
}
std::string Json::dump_pretty() const {
  return written(*this, Layout::Pretty);
}
std::string Json::dump_canonical() const {
  return written(*this, Layout::Canonical);
}

std::string_view Json::type_name() const {
  static constexpr std::string_view kNames[] = {"null",   "boolean", "integer", "number",
                                                "string", "array",   "object"};
  return kNames[value_.index()];
}

double Json::as_double() const {
  return is_integer() ? static_cast<double>(as_integer()) : std::get<double>(value_);
}

const Json* Json::find(std::string_view name) const {
  if (!is_object()) return nullptr;
  for (const Member& member : as_object())
    if (member.first == name) return &member.second;
  return nullptr;
}

const Json& Json::operator[](std::string_view name) const {
  static const Json kNull;
  const Json* found = find(name);
  return found != nullptr ? *found : kNull;
}

Json& Json::set(std::string_view name, Json value) {
  if (is_null()) value_ = Object{};
  for (Member& member : as_object())
    if (member.first == name) {
      member.second = std::move(value);
      return *this;
    }
  as_object().emplace_back(std::string(name), std::move(value));
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array{};
  as_array().push_back(std::move(value));
  return *this;
}

Result<std::string> Json::string_at(std::string_view name) const {
  const Json* found = find(name);
  if (found == nullptr || !found->is_string()) return wrong_type(name, "string", found);
  return found->as_string();
}

Result<std::int64_t> Json::integer_at(std::string_view name) const {
  const Json* found = find(name);
  if (found == nullptr || !found->is_integer()) return wrong_type(name, "integer", found);
  return found->as_integer();
}

Result<double> Json::number_at(std::string_view name) const {
  const Json* found = find(name);
  if (found == nullptr || !found->is_number()) return wrong_type(name, "number", found);
  return found->as_double();
}

Result<bool> Json::bool_at(std::string_view name) const {
  const Json* found = find(name);
  if (found == nullptr || !found->is_bool()) return wrong_type(name, "boolean", found);
  return found->as_bool();
}

std::string Json::string_or(std::string_view name, std::string fallback) const {
  const Json* found = find(name);
  if (found != nullptr && found->is_string()) return found->as_string();
  return fallback;
}

std::int64_t Json::integer_or(std::string_view name, std::int64_t fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_integer() ? found->as_integer() : fallback;
}

double Json::number_or(std::string_view name, double fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_number() ? found->as_double() : fallback;
}

bool Json::bool_or(std::string_view name, bool fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_bool() ? found->as_bool() : fallback;
}

}  // namespace millrace
