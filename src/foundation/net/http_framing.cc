#include "net/http_framing.h"

#include <algorithm>
#include <array>
#include <ctime>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/core.h>

#include "base/text.h"

namespace millrace::net {
namespace beast = boost::beast;
namespace http = beast::http;
namespace {

using BeastRequest = http::request<http::string_body>;

Status check_host(const BeastRequest& from) {
  const auto hosts = from.count(http::field::host);
  if (hosts == 1 || (hosts == 0 && from.version() < 11)) return {};
  return Error(ErrorCode::Invalid, "an HTTP/1.1 request has one Host header");
}

/// What two readers could end at different bytes is refused and its connection closed (RFC 9112,
/// sections 6.1 and 6.3). Beast is content when "chunked" is somewhere the last coding, whatever
/// lengths stand beside it.
Status check_framing(const BeastRequest& from) {
  const auto codings = from.count(http::field::transfer_encoding);
  const auto lengths = from.count(http::field::content_length);
  if (codings > 0) {
    if (from.version() < 11) return Error(ErrorCode::Invalid, "Transfer-Encoding needs HTTP/1.1");
    if (codings > 1 || !beast::iequals(from[http::field::transfer_encoding], "chunked"))
      return Error(ErrorCode::Invalid, "the only Transfer-Encoding understood here is 'chunked'");
    if (lengths > 0)
      return Error(ErrorCode::Invalid,
                   "a request has either Transfer-Encoding or Content-Length, not both");
  }
  if (lengths > 1 || from[http::field::content_length].find(',') != beast::string_view::npos)
    return Error(ErrorCode::Invalid, "a request has one Content-Length");
  return {};
}

Response refusal_of(boost::system::error_code error, const ServerOptions& options) {
  if (error == http::error::body_limit)
    return Response::error(
        413, Error(ErrorCode::Invalid,
                   fmt::format("the body is larger than {} bytes", options.body_bytes_max)));
  if (error == http::error::header_limit)
    return Response::error(
        431, Error(ErrorCode::Invalid,
                   fmt::format("the headers are larger than {} bytes", options.header_bytes_max)));
  return Response::error(400, Error(ErrorCode::Invalid, "not an HTTP request: " + error.message()));
}

/// Beast bounds the header and the body, and neither the line before a chunk (its extensions) nor
/// the trailer behind the last: it asks for more of these until they are whole.
Response endless_line(const ServerOptions& options) {
  return Response::error(
      431, Error(ErrorCode::Invalid,
                 fmt::format("the line of a chunk, or the trailer, is larger than {} bytes",
                             options.header_bytes_max)));
}

bool is_ours(std::string_view field) {
  return std::ranges::any_of(
      std::array<std::string_view, 4>{"content-length", "transfer-encoding", "connection", "date"},
      [&](std::string_view ours) { return same_ignoring_case(field, ours); });
}

}  // namespace

struct RequestParser::Parser : http::request_parser<http::string_body> {};

RequestParser::RequestParser(const ServerOptions& options)
    : options_(options), parser_(std::make_unique<Parser>()) {
  parser_->header_limit(options.header_bytes_max);
  parser_->body_limit(options.body_bytes_max);
}

RequestParser::~RequestParser() = default;

std::size_t RequestParser::take(std::string_view bytes) {
  std::size_t taken = take_empty_line(bytes);
  while (begun_ && !is_whole() && !refusal_ && taken < bytes.size()) {
    const bool had_header = parser_->is_header_done();
    boost::system::error_code error;
    taken += parser_->put(boost::asio::buffer(bytes.substr(taken)), error);
    if (error == http::error::need_more) {
      if (bytes.size() - taken > options_.header_bytes_max) refusal_ = endless_line(options_);
      break;
    }
    if (error)
      refusal_ = refusal_of(error, options_);
    else if (!had_header && parser_->is_header_done())
      look_at_the_header();
  }
  return taken;
}

/// One empty line before the request is passed over: old senders end a body with one that they do
/// not count (RFC 9112, section 2.2).
std::size_t RequestParser::take_empty_line(std::string_view bytes) {
  constexpr std::string_view kLineEnd = "\r\n";
  if (begun_ || bytes.empty()) return 0;
  if (bytes == kLineEnd.substr(0, 1)) return 0;  // the rest of it, or a mistake, is to come
  begun_ = true;
  return bytes.starts_with(kLineEnd) ? kLineEnd.size() : 0;
}

void RequestParser::look_at_the_header() {
  if (const Status framing = check_framing(parser_->get()); !framing.ok())
    refusal_ = Response::error(400, framing.error());
  // RFC 9110, section 10.1.1: not where there is no body to wait for, and not of HTTP/1.0.
  asks_to_go_on_ = beast::iequals(parser_->get()[http::field::expect], "100-continue") &&
                   parser_->get().version() >= 11 && !parser_->is_done();
  parser_->eager(true);  // the body in as large pieces as there are
}

bool RequestParser::is_whole() const {
  return parser_->is_done();
}

bool RequestParser::asks_to_go_on() {
  return std::exchange(asks_to_go_on_, false) && !refusal_;
}

std::size_t RequestParser::body_bytes() const {
  return parser_->get().body().size();
}

bool RequestParser::wants_head_only() const {
  return parser_->get().method() == http::verb::head;
}

bool RequestParser::keeps_alive() const {
  return parser_->get().version() >= 11 && parser_->get().keep_alive();
}

Result<Request> RequestParser::request(const std::string& remote) {
  BeastRequest& from = parser_->get();
  Request request;
  request.remote = remote;
  const std::string_view name = from.method_string();
  const auto method = method_from(name);
  if (!method.has_value())
    return Error(ErrorCode::Unsupported,
                 fmt::format("no such method here: '{}'", name.substr(0, 40)));
  request.method = *method;
  TRY(check_host(from));
  TRY(parse_target(std::string_view(from.target()), request));
  for (const auto& field : from)
    request.headers.add(std::string(field.name_string()), std::string(field.value()));
  request.body = std::move(from.body());
  return request;
}

Response too_many_bodies() {
  Response response = Response::error(
      503, Error(ErrorCode::Unavailable,
                 "the bodies of other requests fill the memory that there is for them; ask again, "
                 "or send fewer rows at a time"));
  response.headers.add("Retry-After", "1");
  return response;
}

bool is_sound(const Response& response) {
  return response.status >= 200 && response.status <= 599 &&
         std::ranges::all_of(response.headers.fields(), is_sound_field);
}

std::string head_of(const Response& response, std::string_view date, bool keep_alive) {
  std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\n", response.status,
      std::string_view(http::obsolete_reason(static_cast<http::status>(response.status))));
  for (const auto& [name, value] : response.headers.fields())
    if (!is_ours(name)) head.append(name).append(": ").append(value).append("\r\n");
  head.append("Date: ").append(date).append("\r\n");
  if (!keep_alive) head += "Connection: close\r\n";
  if (has_body(response.status))
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  return head += "\r\n";
}

bool has_body(int status) {
  return status != 204 && status != 304;
}

std::string http_date(Instant at) {
  const std::time_t time = std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 40> text{};
  return {text.data(),
          std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace millrace::net
