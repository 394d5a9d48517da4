#include "net/http_client.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include <curl/curl.h>
#include <fmt/core.h>

#include "net/socket_path.h"

namespace millrace::net {

struct HttpClient::State {
  ClientOptions options;
  CURL* curl = nullptr;

  explicit State(ClientOptions given) : options(std::move(given)) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    curl = curl_easy_init();
    INVARIANT(curl != nullptr, "libcurl starts");
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { curl_easy_cleanup(curl); }
};

namespace {

constexpr std::size_t kHeaderBytesMax = 256U << 10U;

struct Answer {
  Response response;
  std::size_t header_bytes = 0;
  std::uint64_t body_bytes_max = 0;
  bool too_large = false;
};

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& answer = *static_cast<Answer*>(user);
  if (answer.response.body.size() + size * count > answer.body_bytes_max) {
    answer.too_large = true;
    return 0;
  }
  answer.response.body.append(data, size * count);
  return size * count;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* user) {
  std::string_view line(data, size * count);
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  auto& answer = *static_cast<Answer*>(user);
  answer.header_bytes += size * count;
  if (answer.header_bytes > kHeaderBytesMax) {
    answer.too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/"))
    answer.response.headers = {};  // after "100 Continue" comes another one
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    answer.response.headers.add(std::string(line.substr(0, colon)), std::string(value));
  }
  return size * count;
}

Status check_target(std::string_view target) {
  if (target.starts_with('/') &&
      std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f'; }))
    return {};
  return Error(ErrorCode::Invalid,
               fmt::format("not a request target; begin it with '/' and encode its parts: '{}'",
                           target.substr(0, 200)));
}

class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(list_); }
  Status add(const Headers::Field& field) {
    if (!is_sound_field(field))
      return Error(ErrorCode::Invalid, "not a header that HTTP can carry: " + field.first);
    add_line(field.second.empty() ? field.first + ";" : field.first + ": " + field.second);
    return {};
  }
  void add_line(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

}  // namespace

HttpClient::HttpClient(ClientOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;

Result<Response> HttpClient::send(Method method, std::string_view target, std::string_view body,
                                  const Headers& headers) {
  TRY(check_target(target));
  CURL* curl = state_->curl;
  const ClientOptions& options = state_->options;
  curl_easy_reset(curl);  // options only: the connection stays
  Answer answer;
  answer.body_bytes_max = options.body_bytes_max;
  const std::string url = options.base_url + std::string(target);
  const std::string where =
      options.unix_path.empty() ? url : "unix:" + options.unix_path + std::string(target);
  HeaderList list;
  for (const Headers::Field& field : headers.fields()) TRY(list.add(field));
  list.add_line("Expect:");  // no pause of a second before large bodies

  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  std::optional<SocketPath> socket;  // as long as curl may connect
  if (!options.unix_path.empty()) {
    auto reached = SocketPath::of(options.unix_path);
    if (!reached.ok())
      return Error(ErrorCode::Unavailable,
                   fmt::format("{} {}: {}", to_string(method), where, reached.error().message()));
    socket = *std::move(reached);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket->get().c_str());
  }
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer);
  const std::string name(to_string(method));
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, name.c_str());
  if (method == Method::Head) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (!body.empty() || method == Method::Post || method == Method::Put || method == Method::Patch) {
    // Not a C string: its size is the next option.
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, static_cast<const void*>(body.data()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  }

  const CURLcode code = curl_easy_perform(curl);
  if (answer.too_large)
    return Error(ErrorCode::Exhausted, fmt::format("{} {}: the answer is larger than {} bytes",
                                                   name, where, options.body_bytes_max));
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
    return Error(ErrorCode::Invalid, "not an http:// or https:// address: " + where);
  if (code == CURLE_OPERATION_TIMEDOUT)
    return Error(ErrorCode::Timeout, fmt::format("{} {}: no answer within {} ms", name, where,
                                                 options.timeout.count()));
  if (code != CURLE_OK)
    return Error(ErrorCode::Unavailable,
                 fmt::format("{} {}: {}", name, where, curl_easy_strerror(code)));
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  answer.response.status = static_cast<int>(status);
  return std::move(answer.response);
}

namespace {

Result<Json> json_of(const Response& response) {
  if (response.status / 100 != 2) return response.to_error();
  return TRY_DOING("the server's answer", Json::parse(response.body));
}

}  // namespace

Result<Json> HttpClient::get_json(std::string_view target) {
  return json_of(TRY(send(Method::Get, target)));
}

Result<Json> HttpClient::post_json(std::string_view target, const Json& body) {
  return json_of(
      TRY(send(Method::Post, target, body.dump(), {{"Content-Type", "application/json"}})));
}

}  // namespace millrace::net
