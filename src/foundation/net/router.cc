#include "net/router.h"

#include <algorithm>

#include <fmt/core.h>

namespace millrace::net {
namespace {

std::vector<std::string> parts_of(std::string_view pattern) {
  INVARIANT(pattern.starts_with('/'), "a pattern begins with '/'");
  std::vector<std::string> parts;
  for (std::size_t begin = 1; begin < pattern.size();) {
    const std::size_t end = std::min(pattern.find('/', begin), pattern.size());
    parts.emplace_back(pattern.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string path_of(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path.append("/").append(part);
  return path.empty() ? "/" : path;
}

bool is_parameter(std::string_view part) {
  return part.starts_with('{') && part.ends_with('}');
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  return std::ranges::equal(pattern, path,
                            [](const std::string& expected, const std::string& found) {
                              return is_parameter(expected) ? !found.empty() : expected == found;
                            });
}

}  // namespace

void Router::add(Method method, std::string_view pattern, Handler handler) {
  routes_.push_back({method, parts_of(pattern), std::move(handler)});
}

std::string Router::known_routes() const {
  std::string all;
  for (const Route& route : routes_)
    all.append(all.empty() ? "" : ", ")
        .append(to_string(route.method))
        .append(" ")
        .append(path_of(route.parts));
  return all;
}

Response Router::operator()(const Request& request) const {
  const Method wanted = request.method == Method::Head ? Method::Get : request.method;
  std::string allowed;
  for (const Route& route : routes_) {
    if (!matches(route.parts, request.path)) continue;
    if (route.method != wanted) {
      allowed += (allowed.empty() ? "" : ", ") + std::string(to_string(route.method));
      if (route.method == Method::Get) allowed += ", HEAD";
      continue;
    }
    if (std::ranges::none_of(route.parts, is_parameter)) return route.handler(request);
    Request matched = request;
    for (std::size_t i = 0; i < route.parts.size(); ++i)
      if (is_parameter(route.parts[i]))
        matched.path_parameters.emplace_back(route.parts[i].substr(1, route.parts[i].size() - 2),
                                             request.path[i]);
    return route.handler(matched);
  }
  const std::string path = path_of(request.path);
  if (allowed.empty())
    return Response::error(Error(
        ErrorCode::NotFound,
        fmt::format("nothing answers at '{}'; there are {}", path.substr(0, 200), known_routes())));
  Response refused = Response::error(
      405, Error(ErrorCode::Invalid, fmt::format("'{}' does not answer {}; it answers {}", path,
                                                 to_string(request.method), allowed)));
  refused.headers.add("Allow", allowed);
  return refused;
}

}  // namespace millrace::net
