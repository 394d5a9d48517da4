#include "server/body.h"

#include <fmt/core.h>

namespace millrace::server {
namespace {

Error not_an_object(const std::string& what, const Json& found) {
  return Error(ErrorCode::Invalid, fmt::format("{} is an object; found {}: {}", what,
                                               found.type_name(), found.dump().substr(0, 100)));
}

}  // namespace

Result<Body> Body::of(const net::Request& request) {
  if (request.body.empty()) return Body(Json::object());
  Json json = TRY(request.json());
  if (!json.is_object()) return not_an_object("the body of this request", json);
  return Body(std::move(json));
}

Result<std::string> Body::text_or(std::string_view name, std::string fallback) const {
  if (!has(name)) return fallback;
  return json_.string_at(name);
}

Result<bool> Body::flag_or(std::string_view name, bool fallback) const {
  if (!has(name)) return fallback;
  return json_.bool_at(name);
}

Result<Json> Body::object(std::string_view name) const {
  if (!has(name)) return Json::object();
  if (!json_[name].is_object()) return not_an_object(fmt::format("'{}'", name), json_[name]);
  return json_[name];
}

}  // namespace millrace::server
