#include "execution/local_attempt.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"
#include "execution/processes.h"

namespace millrace::execution {
namespace {

using orchestration::AttemptEnd;
using orchestration::ExecutorListener;
using orchestration::Outcome;
using orchestration::Preparation;

constexpr std::size_t kPiece = 1U << 16U;
constexpr std::size_t kMostXcoms = 64;
constexpr std::size_t kMostReported = 64U << 20U;      // of the result and the xcoms together
constexpr std::size_t kMostUnread = 2 * kLongestLine;  // of what it was told
constexpr std::size_t kMostQuestions = 64;             // that wait for an answer
constexpr std::size_t kMostLeft = 4U << 20U;    // read from a stream after the process has ended
constexpr std::size_t kLongestMessage = 4'000;  // of an error, as it is stored

struct Pair {
  FileDescriptor ours;
  FileDescriptor theirs;
};

Result<Pair> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return file_error(errno, "a pipe for the attempt's output");
  ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return Pair{FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

Result<Pair> make_channel() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    return file_error(errno, "the attempt's channel");
  ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return Pair{FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

Json request_message(const orchestration::AttemptRequest& request, Duration heartbeat) {
  const Json attempt = Json::object({{"dag", request.id.run.dag.str()},
                                     {"run", request.id.run.run.str()},
                                     {"task", request.id.task.str()},
                                     {"map_index", request.id.map_index},
                                     {"epoch", request.id.epoch},
                                     {"generation", request.generation},
                                     {"number", request.number}});
  const Json resources = Json::object(
      {{"threads", request.resources.threads}, {"memory_bytes", request.resources.memory_bytes}});
  return Json::object({{"millrace_attempt", kProtocolVersion},
                       {"type", "request"},
                       {"attempt", attempt},
                       {"heartbeat_seconds", static_cast<double>(heartbeat.count()) / 1e6},
                       {"resources", resources},
                       {"document", request.work.document}});
}

/// What is kept of a text that others wrote: valid, bounded, and its end where it must be cut.
std::string kept(const std::string& text) {
  if (text.size() <= kLongestMessage) return to_utf8(text);
  return "..." + to_utf8(std::string_view(text).substr(text.size() - kLongestMessage));
}

std::string in_words(const Outcome& outcome) {
  return outcome.error ? fmt::format("{}: {}", to_string(*outcome.error), outcome.message)
                       : outcome.message;
}

}  // namespace

Result<std::unique_ptr<LocalAttempt>> LocalAttempt::start(orchestration::AttemptRequest request,
                                                          AttemptLog log, Spawner& spawner,
                                                          Duration heartbeat,
                                                          const std::string& owner) {
  std::unique_ptr<LocalAttempt> attempt(new LocalAttempt(std::move(request), std::move(log)));
  const Status connected = attempt->connect(spawner, heartbeat, owner);
  if (connected.ok()) return attempt;
  attempt->log_.last_word("error", connected.error().message());
  return connected.error();
}

std::vector<std::string> LocalAttempt::environment(const std::string& owner) const {
  std::map<std::string, std::string> all = own_environment();
  for (const auto& [name, value] : request_.work.environment) all[name] = value;
  // Last, since these are not the user's to set, nor to be inherited from an attempt around us.
  for (const char* name : {kAttemptFdVariable, kAttemptOfVariable, kAttemptVariable})
    all.erase(name);
  if (request_.work.speaks == Preparation::Speaks::Protocol)
    all[kAttemptFdVariable] = std::to_string(kAttemptFd);
  if (!owner.empty()) {
    all[kAttemptOfVariable] = owner;
    all[kAttemptVariable] = id().str();
  }
  std::vector<std::string> lines;
  lines.reserve(all.size());
  for (const auto& [name, value] : all) lines.push_back(fmt::format("{}={}", name, value));
  return lines;
}

Status LocalAttempt::connect(Spawner& spawner, Duration heartbeat, const std::string& owner) {
  const bool speaks = request_.work.speaks == Preparation::Speaks::Protocol;
  Pair output = TRY(make_pipe());
  Pair error = TRY(make_pipe());
  Pair channel;
  if (speaks) {
    to_send_ = TRY(to_line(request_message(request_, heartbeat)));
    channel = TRY(make_channel());
  }
  SpawnRequest spawn;
  spawn.command = request_.work.command;
  spawn.environment = environment(owner);
  spawn.working_folder = request_.work.working_folder;
  spawn.output_fd = output.theirs.get();
  spawn.error_fd = error.theirs.get();
  spawn.channel_fd = channel.theirs.get();
  group_.emplace(TRY(spawner.spawn(spawn)), spawner);
  output_ = std::move(output.ours);
  error_ = std::move(error.ours);
  channel_ = std::move(channel.ours);
  return {};
}

bool LocalAttempt::read_stream(FileDescriptor& from, const char* name) {
  char piece[kPiece];
  const ssize_t size = ::read(from.get(), piece, sizeof(piece));
  if (size > 0) {
    log_.stream(name, {piece, static_cast<std::size_t>(size)});
    return true;
  }
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  from.close();
  return false;
}

bool LocalAttempt::read_output() {
  return read_stream(output_, "out");
}

bool LocalAttempt::read_error() {
  return read_stream(error_, "err");
}

bool LocalAttempt::read_channel(ExecutorListener& listener) {
  char piece[kPiece];
  const ssize_t size = ::read(channel_.get(), piece, sizeof(piece));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (size <= 0) {
    channel_.close();
    return false;
  }
  if (condemned_) return true;  // nothing that it says counts any more
  const Status fed = lines_.feed({piece, static_cast<std::size_t>(size)});
  while (const std::optional<std::string> line = lines_.next()) hear(*line, listener);
  if (!fed.ok())
    condemn({ErrorCode::Invalid, fmt::format("the attempt broke the protocol of its channel: after "
                                             "line {}: {}",
                                             lines_read_, fed.error().message())});
  return true;
}

void LocalAttempt::write_channel() {
  while (!to_send_.empty() && channel_.is_open()) {
    const ssize_t size =
        ::send(channel_.get(), to_send_.data(), to_send_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) to_send_.clear();  // it does not listen any more; its end will tell
    if (size > 0) to_send_.erase(0, static_cast<std::size_t>(size));
  }
}

void LocalAttempt::answer(std::int64_t question, bool allowed) {
  --unanswered_;
  to_send_ +=
      Json::object({{"type", "fence_answer"}, {"id", question}, {"allowed", allowed}}).dump();
  to_send_ += '\n';
}

void LocalAttempt::condemn(Error why) {
  if (!condemned_) condemned_ = std::move(why);
}

void LocalAttempt::hear(const std::string& line, ExecutorListener& listener) {
  ++lines_read_;
  if (condemned_) return;
  const Result<Json> message = from_line(line);
  const Status heard = message.ok() ? obey(*message, listener) : Status(message.error());
  if (!heard.ok())
    condemn({ErrorCode::Invalid,
             fmt::format("the attempt broke the protocol of its channel: line {}: {}: {}",
                         lines_read_, heard.error().message(), to_utf8(line.substr(0, 100)))});
}

Status LocalAttempt::obey(const Json& message, ExecutorListener& listener) {
  const std::string& type = message["type"].as_string();
  if (!greeted_) {
    if (type != "hello" || message.integer_or("millrace_attempt", 0) != kProtocolVersion)
      return Error(ErrorCode::Invalid,
                   fmt::format("the first line must be a hello of version {}", kProtocolVersion));
    greeted_ = true;
    listener.heartbeat(id());
    return {};
  }
  if (type == "heartbeat") {
    listener.heartbeat(id());
    return {};
  }
  if (type == "fence") {
    const std::int64_t question = TRY(message.integer_at("id"));
    if (unanswered_ >= kMostQuestions || to_send_.size() > kMostUnread)
      return Error(ErrorCode::Invalid, "it asks on and on and does not read the answers");
    ++unanswered_;
    questions_.push_back(question);
    return {};
  }
  if (type == "result") return take_result(message);
  if (type == "xcom") return take_xcom(message);
  if (type == "log") log_.say(message.string_or("level", "info"), TRY(message.string_at("message")));
  if (type == "log" || type == "progress" || type == "metrics" || type == "lineage") {
    listener.message(id(), {type, message});
    return {};
  }
  return Error(ErrorCode::Invalid, "a message of unknown type '" + type + "'");
}

Status LocalAttempt::take_xcom(const Json& message) {
  const std::string key = TRY(message.string_at("key"));
  if (xcoms_.as_object().size() >= kMostXcoms && !xcoms_.contains(key))
    return Error(ErrorCode::Invalid, fmt::format("more than {} xcom keys", kMostXcoms));
  TRY(count("xcom " + key, message["value"]));
  xcoms_.set(key, message["value"]);
  return {};
}

/// As they are written in the end of the attempt, where a number can be longer than it was said
/// ("1e15"): whoever keeps and passes on the end counts on it.
Status LocalAttempt::count(const std::string& name, const Json& value) {
  std::size_t& bytes = reported_bytes_[name];
  all_reported_bytes_ -= bytes;
  bytes = Json(name).dump().size() + value.dump().size();
  all_reported_bytes_ += bytes;
  if (all_reported_bytes_ <= kMostReported) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("its result and its xcoms come to more than {} bytes as they are "
                           "written; larger things are passed by reference",
                           kMostReported));
}

Status LocalAttempt::take_result(const Json& message) {
  if (reported_) return Error(ErrorCode::Invalid, "a second result");
  const std::string status = TRY(message.string_at("status"));
  if (status == "success") {
    reported_ =
        Outcome{message.bool_or("skip_downstream", false) ? Outcome::Kind::SuccessSkipDownstream
                                                          : Outcome::Kind::Success,
                std::nullopt, ""};
    TRY(count("result", message["value"]));
    result_ = message["value"];
  } else if (status == "skipped") {
    reported_ =
        Outcome{Outcome::Kind::Skipped, std::nullopt, kept(message.string_or("message", ""))};
  } else if (status == "failed") {
    std::string why = kept(TRY(message.string_at("message")));
    reported_ = Outcome{Outcome::Kind::Failed, error_code_from(message.string_or("code", "")),
                        std::move(why)};
  } else {
    return Error(ErrorCode::Invalid,
                 "'" + status + "' is no status of a result (success, skipped, failed)");
  }
  return {};
}

AttemptEnd LocalAttempt::finish(const ExitStatus& exit, ExecutorListener& listener) {
  const auto drain = [](auto read) {
    for (std::size_t left = kMostLeft; left >= kPiece && read(); left -= kPiece) {
    }
  };
  // A read that would wait says "more to come"; the number of pieces bounds both cases.
  drain([this] { return output_.is_open() && read_output(); });
  drain([this] { return error_.is_open() && read_error(); });
  drain([&] { return channel_.is_open() && read_channel(listener); });
  if (!condemned_ && greeted_ && !lines_.rest().empty() && !reported_)
    condemn({ErrorCode::Invalid,
             fmt::format("the attempt broke the protocol of its channel: it ended within line {}",
                         lines_read_ + 1)});
  log_.flush();
  AttemptEnd end;
  end.outcome = outcome(exit);
  if (end.outcome.kind == Outcome::Kind::Failed)
    log_.last_word("error", in_words(end.outcome));
  else if (end.outcome.kind == Outcome::Kind::Skipped)
    log_.last_word("info", "skipped: " + end.outcome.message);
  end.exit_code = exit.code;
  end.signal = exit.signal;
  end.used.cpu = exit.cpu;
  end.used.wall = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - started_);
  end.used.max_rss_bytes = std::max(exit.max_rss_bytes, peak_group_bytes);
  if (end.outcome.kind == Outcome::Kind::Success ||
      end.outcome.kind == Outcome::Kind::SuccessSkipDownstream) {
    end.result = std::move(result_);
    end.xcoms = std::move(xcoms_);
  }
  return end;
}

Outcome LocalAttempt::outcome(const ExitStatus& exit) {
  const auto failed = [](std::optional<ErrorCode> code, std::string message) {
    return Outcome{Outcome::Kind::Failed, code, std::move(message)};
  };
  if (condemned_) return failed(condemned_->code(), condemned_->message());
  if (reported_ && reported_->kind == Outcome::Kind::Failed) return *reported_;
  if (exit.signal) {
    std::string message =
        fmt::format("ended by signal {} ({})", *exit.signal, ::strsignal(*exit.signal));
    if (*exit.signal == SIGKILL)
      message += "; if nobody sent it, the machine may have run out of memory";
    return failed(std::nullopt, std::move(message));
  }
  if (exit.code != 0) {
    std::string message = fmt::format("exited with status {}", exit.code.value_or(-1));
    if (reported_) message += " after it had reported success";
    const std::string& last = log_.last_line("err");
    if (!last.empty()) message += ": " + kept(last);
    return failed(std::nullopt, std::move(message));
  }
  if (reported_) return *reported_;
  if (request_.work.speaks == Preparation::Speaks::Nothing) return {};
  return failed(std::nullopt, "exited without a result; an attempt reports one before it ends");
}

}  // namespace millrace::execution
