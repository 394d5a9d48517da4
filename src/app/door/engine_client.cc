#include "door/engine_client.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "columnar/arrow_ipc.h"

extern char** environ;

namespace millrace::door {
namespace {

constexpr std::int64_t kProtocol = 2;

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
      buffer_(std::move(other.buffer_)) {
  INVARIANT(other.answer_ == 0, "a client is moved before it is used");
}

EngineClient::~EngineClient() {
  to_.close();  // the engine ends with its input
  from_.close();
  if (child_ > 0) ::waitpid(child_, nullptr, 0);
}

Status EngineClient::execute(std::string_view sql) {
  TRY(ask(Json::object({{"execute", sql}})));
  return {};
}

Result<Json> EngineClient::rows(std::string_view sql) {
  return TRY(ask(Json::object({{"query", sql}})))["rows"];
}

Result<std::unique_ptr<columnar::BatchReader>> EngineClient::query(std::string_view sql) {
  TRY(end_answer());
  TRY(say(Json::object({{"stream", sql}})));
  is_part_asked_ = true;
  is_answer_read_ = false;
  return columnar::read_ipc_stream(
      [this, mine = answer_](std::span<char> into) { return read_answer_bytes(mine, into); });
}

Result<std::int64_t> EngineClient::put(std::string_view name, const NextBytes& next) {
  Result<std::optional<std::string>> bytes = next();
  if (!bytes.ok()) return std::move(bytes).error();
  TRY(end_answer());
  TRY(say(Json::object({{"put", name}})));
  // An engine that has answered already has failed, and takes no more.
  while (bytes.ok() && bytes->has_value() && !has_answered()) {
    TRY(say(Json::object({{"bytes", (*bytes)->size()}})));
    TRY(send(**bytes));
    bytes = next();
  }
  TRY(say(Json::object({{bytes.ok() ? "end" : "give_up", true}})));
  Result<Json> answer = read_answer();
  if (!bytes.ok()) return std::move(bytes).error();
  return TRY(std::move(answer)).integer_at("rows");
}

Result<Json> EngineClient::ask(const Json& request) {
  TRY(end_answer());
  TRY(say(request));
  return read_answer();
}

// ---- an answer in parts

Result<std::size_t> EngineClient::read_answer_bytes(std::uint64_t answer, std::span<char> into) {
  if (answer != answer_)
    return Error(ErrorCode::Invalid,
                 "this answer ended when its session was asked for something else; read an answer "
                 "to its end first, or ask in a session of its own");
  while (part_left_ == 0) {
    if (is_answer_read_) return 0;
    TRY(begin_part());
  }
  const auto most = std::min(into.size(), static_cast<std::size_t>(part_left_));
  const std::size_t got = TRY(read_some(into.first(most)));
  part_left_ -= static_cast<std::int64_t>(got);
  // While the caller works with this part, the engine makes the next one.
  if (part_left_ == 0) {
    TRY(say(Json::object({{"next", true}})));
    is_part_asked_ = true;
  }
  return got;
}

Status EngineClient::begin_part() {
  INVARIANT(is_part_asked_, "an answer is read part by part");
  is_part_asked_ = false;
  is_answer_read_ = true;  // unless there is a part
  const Json head = TRY(read_answer());
  if (head.contains("end")) return {};
  const std::int64_t bytes = TRY(head.integer_at("bytes"));
  if (bytes < 0)
    return Error(ErrorCode::Internal, fmt::format("the engine gave a part of {} bytes", bytes));
  part_left_ = bytes;
  is_answer_read_ = false;
  return {};
}

/// What the engine has sent, or is sending, of an answer that nobody reads on is dropped: one part.
Status EngineClient::end_answer() {
  ++answer_;
  if (is_part_asked_) {
    // Why the answer failed is no failure of what comes now.
    if (const Status begun = begin_part(); !begun.ok()) is_answer_read_ = true;
  }
  while (part_left_ > 0) {
    std::array<char, 65'536> bytes;
    const auto most = std::min(bytes.size(), static_cast<std::size_t>(part_left_));
    part_left_ -= static_cast<std::int64_t>(TRY(read_some({bytes.data(), most})));
  }
  return {};
}

// ---- lines and bytes

Status EngineClient::say(const Json& line) {
  return send(line.dump() + "\n");
}

Status EngineClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::send(to_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return gone();
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<Json> EngineClient::read_answer() {
  Json answer = TRY(Json::parse(TRY(read_line())));
  TRY(error_in(answer));
  return answer;
}

bool EngineClient::has_answered() const {
  pollfd readable{from_.get(), POLLIN, 0};
  return !buffer_.empty() || ::poll(&readable, 1, 0) > 0;
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

Result<std::size_t> EngineClient::read_some(std::span<char> into) {
  if (!buffer_.empty()) {
    const std::size_t size = std::min(into.size(), buffer_.size());
    std::memcpy(into.data(), buffer_.data(), size);
    buffer_.erase(0, size);
    return size;
  }
  for (;;) {
    const ssize_t got = ::read(from_.get(), into.data(), into.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return gone();
    return static_cast<std::size_t>(got);
  }
}

}  // namespace millrace::door
