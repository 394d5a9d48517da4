#include "door/engine_client.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace millrace::door {
namespace {

constexpr std::int64_t kProtocol = 1;

Error gone() {
  return Error(ErrorCode::Unavailable,
               "the engine's process ended; its own words stand in this task's log");
}

}  // namespace

Result<EngineClient> EngineClient::start(const std::string& millrace,
                                         const std::vector<std::string>& options) {
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  // Not a pipe: writing to one whose reader has gone would end this process by SIGPIPE.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to.data()) != 0)
    return Error(ErrorCode::Exhausted, std::strerror(errno));
  if (::pipe2(from.data(), O_CLOEXEC) != 0) {
    ::close(to[0]);
    ::close(to[1]);
    return Error(ErrorCode::Exhausted, std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  std::vector<std::string> words = {millrace, "engine", "--stdio"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = -1;
  const int failed =
      ::posix_spawnp(&child, millrace.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(to[0]);
  ::close(from[1]);
  EngineClient client(failed == 0 ? child : -1, to[1], from[0]);
  if (failed != 0)
    return Error(failed == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
                 fmt::format("starting '{} engine': {}", millrace, std::strerror(failed)));
  const Json greeting = TRY(Json::parse(TRY(client.read_line())));
  if (greeting.integer_or("millrace_engine", 0) != kProtocol)
    return Error(ErrorCode::Unsupported,
                 fmt::format("'{}' speaks another version of the engine's protocol; use the "
                             "millrace that this program was built with",
                             millrace));
  return client;
}

EngineClient::EngineClient(EngineClient&& other) noexcept
    : child_(std::exchange(other.child_, -1)),
      to_(std::exchange(other.to_, -1)),
      from_(std::exchange(other.from_, -1)),
      buffer_(std::move(other.buffer_)) {}

EngineClient::~EngineClient() {
  if (to_ >= 0) ::close(to_);  // the engine ends with its input
  if (from_ >= 0) ::close(from_);
  if (child_ > 0) ::waitpid(child_, nullptr, 0);
}

Status EngineClient::execute(std::string_view sql) {
  TRY(ask(Json::object({{"execute", sql}})));
  return {};
}

Result<Json> EngineClient::query(std::string_view sql) {
  return TRY(ask(Json::object({{"query", sql}})))["rows"];
}

Result<Json> EngineClient::ask(const Json& request) {
  const std::string line = request.dump() + "\n";
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t wrote = ::send(to_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return gone();
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  Json answer = TRY(Json::parse(TRY(read_line())));
  const Json& error = answer["error"];
  if (!error.is_null())
    return Error(error_code_from(error.string_or("code", "")).value_or(ErrorCode::Internal),
                 error.string_or("message", "the engine gave no reason"));
  return answer;
}

Result<std::string> EngineClient::read_line() {
  for (;;) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    std::array<char, 65'536> bytes;
    const ssize_t got = ::read(from_, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return gone();
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace millrace::door
