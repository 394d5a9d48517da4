#pragma once

// The arguments of one expectation: what each may hold, and reading them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "quality/suite.h"

namespace millrace::quality {

/// What an argument may hold. A null reads as an argument that was not given.
enum class ArgumentKind : std::uint8_t {
  Text,
  Flag,
  WholeNumber,
  Bound,         // a number, or a text (a moment, or text to compare with)
  NumericBound,  // a number
  CountBound,    // a whole number
  Names,         // a list of texts
  Values,        // a list of scalars
  TypeName,
  TypeNames,
  AnyOrAll,
  IgnoreRow,
};

struct Argument {
  std::string_view name;
  ArgumentKind kind;
  bool required = false;
};

/// The arguments of one expectation, checked against its row: reading them cannot fail any more.
class Arguments {
 public:
  explicit Arguments(const Json& kwargs) : kwargs_(&kwargs) {}
  std::string text(std::string_view name) const { return kwargs_->string_or(name, ""); }
  bool flag(std::string_view name, bool fallback) const { return kwargs_->bool_or(name, fallback); }
  bool given(std::string_view name) const { return !(*kwargs_)[name].is_null(); }
  std::int64_t integer(std::string_view name) const { return kwargs_->integer_or(name, 0); }
  std::vector<std::string> names(std::string_view name) const;
  std::vector<Json> values(std::string_view name) const;
  Bounds bounds() const;
  Bounds exactly(std::string_view name) const;
  IgnoreRow ignore() const;

 private:
  const Json* kwargs_;
};

/// Compares what was given with what the word takes. Errors: Invalid names the argument, what was
/// expected and what was found.
Status check_arguments(const std::vector<Argument>& taken, bool takes_mostly, const Json& kwargs);

}  // namespace millrace::quality
