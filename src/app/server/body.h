#pragma once

// The JSON that came with a request: what is asked for is not guessed at.

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "net/http.h"

namespace millrace::server {

/// An object; no body is one without members. A member that is null counts as not given. Errors of
/// all: Invalid names the member, what was expected and what was found.
class Body {
 public:
  static Result<Body> of(const net::Request& request);

  bool has(std::string_view name) const { return !json_[name].is_null(); }
  Result<std::string> text(std::string_view name) const { return json_.string_at(name); }
  Result<std::int64_t> integer(std::string_view name) const { return json_.integer_at(name); }
  Result<std::string> text_or(std::string_view name, std::string fallback) const;
  Result<bool> flag_or(std::string_view name, bool fallback) const;
  /// An empty one when there is none.
  Result<Json> object(std::string_view name) const;

 private:
  explicit Body(Json json) : json_(std::move(json)) {}
  Json json_;
};

}  // namespace millrace::server
