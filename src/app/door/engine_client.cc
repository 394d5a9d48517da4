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

Status error_in(const Json& line) {
  const Json& error = line["error"];
  if (error.is_null()) return {};
  return Error(error_code_from(error.string_or("code", "")).value_or(ErrorCode::Internal),
               error.string_or("message", "the engine gave no reason"));
}

/// Of the system call that made nothing because this process or the machine has no more of it.
Error cannot_connect(int why) {
  return Error(ErrorCode::Exhausted,
               fmt::format("making the engine's channel: {}; see `ulimit -n`", std::strerror(why)));
}

Error gone() {
  return Error(ErrorCode::Unavailable,
               "the engine's process ended; its own words stand in this task's log");
}

}  // namespace

Result<EngineClient> EngineClient::start(const std::string& millrace,
                                         const std::vector<std::string>& options) {
  std::array<int, 2> pair{};
  // Not a pipe: writing to one whose reader has gone would end this process by SIGPIPE.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return cannot_connect(errno);
  FileDescriptor its_input(pair[0]);
  FileDescriptor to(pair[1]);
  if (::pipe2(pair.data(), O_CLOEXEC) != 0) return cannot_connect(errno);
  FileDescriptor from(pair[0]);
  FileDescriptor its_output(pair[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, its_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, its_output.get(), STDOUT_FILENO);
  std::vector<std::string> words = {millrace, "engine", "--stdio"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = -1;
  const int failed =
      ::posix_spawnp(&child, millrace.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  its_input.close();
  its_output.close();
  if (failed != 0)
    return Error(failed == ENOENT ? ErrorCode::NotFound : ErrorCode::Unavailable,
                 fmt::format("starting '{} engine': {}; put millrace beside this program or on the "
                             "path, or name it in $MILLRACE",
                             millrace, std::strerror(failed)));
  EngineClient client(child, std::move(to), std::move(from));
  const Json greeting = TRY(Json::parse(TRY(client.read_line())));
  TRY(error_in(greeting));
  if (greeting.integer_or("millrace_engine", 0) != kProtocol)
    return Error(ErrorCode::Unsupported,
                 fmt::format("'{}' speaks another version of the engine's protocol; use the "
                             "millrace that this program was built with",
                             millrace));
  return client;
}

EngineClient::EngineClient(EngineClient&& other) noexcept
    : child_(std::exchange(other.child_, -1)),
      to_(std::move(other.to_)),
      from_(std::move(other.from_)),
      buffer_(std::move(other.buffer_)) {}

EngineClient::~EngineClient() {
  to_.close();  // the engine ends with its input
  from_.close();
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
    const ssize_t wrote = ::send(to_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return gone();
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  Json answer = TRY(Json::parse(TRY(read_line())));
  TRY(error_in(answer));
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
    const ssize_t got = ::read(from_.get(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return gone();
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace millrace::door
