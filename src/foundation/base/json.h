#pragma once

// Json: a JSON document as a value, cheap to include.
//
// Parsing and writing are Boost.JSON's, kept out of this header because it costs seconds to
// compile. Objects keep the order in which their members were added, so that what we write reads as
// we meant it. Bulk data (the Delta log, ingestion) does not come through here: it is read with
// simdjson in its own room.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace millrace {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();
  Json(bool value) : value_(value) {}
  /// What is beyond 64 bits with a sign becomes the nearest double, as other readers take it.
  template <typename T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Json(T value) {
    if (std::in_range<std::int64_t>(value))
      value_ = static_cast<std::int64_t>(value);
    else
      value_ = static_cast<double>(value);
  }
  Json(double value) : value_(value) {}
  Json(std::string value);
  Json(std::string_view value);
  Json(const char* value);
  Json(Array value);
  Json(const std::vector<std::string>& values);

  static Json array();
  static Json object();
  /// Json::object({{"name", "clicks"}, {"rows", 3}})
  static Json object(std::initializer_list<Member> members);

  /// Reads one document (RFC 8259), at most `deepest` levels deep (what others send stays at 64; a
  /// query plan of our own engine goes deeper). Errors: Invalid with line and column.
  static Result<Json> parse(std::string_view text, std::size_t deepest = 64);
  /// One line, always valid: a double that is not finite is written as null, since JSON has no word
  /// for it, and bytes that are not UTF-8 as U+FFFD.
  std::string dump() const;
  /// Indented by two spaces.
  std::string dump_pretty() const;
  /// One line with the members sorted by name: equal documents give equal text, for hashing.
  std::string dump_canonical() const;

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  /// "string", "integer", "number", "boolean", "null", "array" or "object": for messages.
  std::string_view type_name() const;

  // Precondition: it is one. as_double() takes integers too.
  bool as_bool() const { return std::get<bool>(value_); }
  std::int64_t as_integer() const { return std::get<std::int64_t>(value_); }
  double as_double() const;
  const std::string& as_string() const { return std::get<std::string>(value_); }
  const Array& as_array() const { return std::get<Array>(value_); }
  Array& as_array() { return std::get<Array>(value_); }
  const Object& as_object() const { return std::get<Object>(value_); }
  Object& as_object() { return std::get<Object>(value_); }

  /// The member of that name, or null when there is none or this is no object.
  const Json* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// The member of that name; a missing one reads as null.
  const Json& operator[](std::string_view name) const;
  /// Adds or replaces a member. Precondition: an object, or null, which becomes one.
  Json& set(std::string_view name, Json value);
  /// Adds an element. Precondition: an array, or null, which becomes one.
  Json& push(Json value);

  // Reading what others wrote: Invalid names the member, what was expected and what was found.
  Result<std::string> string_at(std::string_view name) const;
  Result<std::int64_t> integer_at(std::string_view name) const;
  Result<double> number_at(std::string_view name) const;
  Result<bool> bool_at(std::string_view name) const;
  // The same with a value for a missing or null member; a member of another type reads as the
  // fallback too.
  std::string string_or(std::string_view name, std::string fallback) const;
  std::int64_t integer_or(std::string_view name, std::int64_t fallback) const;
  double number_or(std::string_view name, double fallback) const;
  bool bool_or(std::string_view name, bool fallback) const;

  bool operator==(const Json&) const;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> value_ =
      nullptr;
};

}  // namespace millrace
