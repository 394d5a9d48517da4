#include "net/http.h"

#include <algorithm>
#include <array>

#include <boost/url.hpp>
#include <fmt/core.h>

#include "base/text.h"

namespace millrace::net {
namespace {

constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "OPTIONS"};

std::string_view find_in(const std::vector<std::pair<std::string, std::string>>& pairs,
                         std::string_view name) {
  for (const auto& [key, value] : pairs)
    if (key == name) return value;
  return {};
}

/// For answers that carry no code of ours.
ErrorCode code_of_status(int status) {
  switch (status) {
    case 401:
    case 403:
      return ErrorCode::Denied;
    case 404:
      return ErrorCode::NotFound;
    case 409:
      return ErrorCode::Conflict;
    case 429:
      return ErrorCode::Exhausted;
    case 500:
      return ErrorCode::Internal;
    case 501:
      return ErrorCode::Unsupported;
    case 504:
      return ErrorCode::Timeout;
    default:
      return status / 100 == 4 ? ErrorCode::Invalid : ErrorCode::Unavailable;
  }
}

}  // namespace

std::string_view to_string(Method method) {
  return kMethods[static_cast<std::size_t>(method)];
}

std::optional<Method> method_from(std::string_view name) {
  for (std::size_t i = 0; i < kMethods.size(); ++i)
    if (kMethods[i] == name) return static_cast<Method>(i);
  return std::nullopt;
}

std::string_view Headers::get(std::string_view name) const {
  for (const Field& field : fields_)
    if (same_ignoring_case(field.first, name)) return field.second;
  return {};
}

bool Headers::contains(std::string_view name) const {
  return std::ranges::any_of(
      fields_, [&](const Field& field) { return same_ignoring_case(field.first, name); });
}

bool is_sound_field(const Headers::Field& field) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";  // RFC 9110, section 5.6.2
  const auto in_token = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           marks.find(c) != std::string_view::npos;
  };
  return !field.first.empty() && std::ranges::all_of(field.first, in_token) &&
         field.second.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
}

std::string_view Request::query_parameter(std::string_view name) const {
  return find_in(query, name);
}

const std::string& Request::path_parameter(std::string_view name) const {
  for (const auto& [key, value] : path_parameters)
    if (key == name) return value;
  INVARIANT(false, "the route has no part of that name");
}

Result<Json> Request::json() const {
  return TRY_DOING("the request's body", Json::parse(body));
}

Status parse_target(std::string_view target, Request& request) {
  const auto url = boost::urls::parse_origin_form({target.data(), target.size()});
  if (!url)
    return Error(ErrorCode::Invalid,
                 fmt::format("the request target '{}' is not a path", target.substr(0, 200)));
  const auto decoded = [](boost::urls::pct_string_view text) {
    std::string out;
    text.decode({}, boost::urls::string_token::assign_to(out));
    return out;
  };
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  for (const auto segment : url->encoded_segments()) {
    request.path.push_back(decoded(segment));
    if (has_nul(request.path.back()))
      return Error(ErrorCode::Invalid, "the request target holds a NUL byte");
  }
  if (request.path.size() == 1 && request.path[0].empty()) request.path.clear();
  for (const auto& parameter : url->encoded_params()) {
    request.query.emplace_back(decoded(parameter.key),
                               parameter.has_value ? decoded(parameter.value) : "");
    if (has_nul(request.query.back().first) || has_nul(request.query.back().second))
      return Error(ErrorCode::Invalid, "the request target holds a NUL byte");
  }
  return {};
}

std::string encode_part(std::string_view text) {
  return boost::urls::encode({text.data(), text.size()}, boost::urls::unreserved_chars);
}

Response Response::text(std::string body, int status) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

Response Response::json(const Json& body, int status) {
  return {status, {{"Content-Type", "application/json"}}, body.dump() + "\n"};
}

Response Response::error(const Error& error) {
  return Response::error(http_status(error.code()), error);
}

Response Response::error(int status, const Error& error) {
  return json(Json::object({{"error", Json::object({{"code", to_string(error.code())},
                                                    {"message", error.message()}})}}),
              status);
}

Error Response::to_error() const {
  const Result<Json> document = Json::parse(body);
  if (document.ok()) {
    const Json& error = (*document)["error"];
    const auto code = error_code_from(error.string_or("code", ""));
    if (code.has_value()) return Error(*code, error.string_or("message", "no message"));
  }
  return Error(code_of_status(status), fmt::format("HTTP {}: {}", status, body.substr(0, 200)));
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::Invalid:
      return 400;
    case ErrorCode::Denied:
      return 403;
    case ErrorCode::NotFound:
      return 404;
    case ErrorCode::Conflict:
    case ErrorCode::AlreadyExists:
      return 409;
    case ErrorCode::DataQuality:
      return 422;
    case ErrorCode::Exhausted:
      return 429;
    case ErrorCode::Cancelled:
      return 499;
    case ErrorCode::Unsupported:
      return 501;
    case ErrorCode::Unavailable:
      return 503;
    case ErrorCode::Timeout:
      return 504;
    case ErrorCode::Internal:
    case ErrorCode::Corruption:
      break;
  }
  return 500;
}

}  // namespace millrace::net
