#include "launcher/launcher.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caught.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "execution/attempt_protocol.h"
#include "execution/local_executor.h"
#include "execution/survivors.h"
#include "launcher/launcher_desk.h"
#include "launcher/outbox.h"
#include "launcher/program_pages.h"
#include "net/listener.h"

namespace millrace::launcher {
namespace {

using orchestration::AttemptId;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr Duration kPatienceWithSurvivors = std::chrono::seconds(10);
// Of one who has connected, until it has said hello; and how many of those there may be.
constexpr Duration kPatienceForHello = std::chrono::seconds(10);
constexpr std::size_t kMostGuests = 8;
constexpr Duration kPatienceAtTheEnd = std::chrono::seconds(5);
constexpr std::size_t kPiece = 1U << 16U;
// Read before what was heard is obeyed: more than a socket holds, so that a start and an end that lie in
// it together are seen together.
constexpr int kMostPieces = 64;

/// One who is connected: a server, once it has said hello.
struct Connection {
  explicit Connection(FileDescriptor socket) : fd(std::move(socket)) {}
  FileDescriptor fd;
  execution::LineReader lines{kLongestLine};
  SteadyTime since = std::chrono::steady_clock::now();
};

class Launcher {
 public:
  Launcher(const LauncherOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

  Status open();
  void run();

 private:
  Status take_lock();
  bool is_in_place() const;
  void listen_again();
  void welcome(FileDescriptor socket);
  void accept();
  void wait(std::vector<pollfd>& watched);
  void serve(const std::vector<pollfd>& watched);
  void serve_server(short events);
  /// False when the guest is none any more: it is the server now, or was sent away.
  bool serve_guest(Connection& guest);
  std::optional<order::Hello> hello_in(const std::string& line) const;
  void promote(Connection guest, const order::Hello& hello);
  bool read(Connection& from) const;
  void hear();
  void lose_server(const std::string& why);
  void send(Line line, LauncherDesk::Need need);
  void ring() const;
  bool has_nothing_to_do();
  void say_goodbye();

  const LauncherOptions& options_;
  const Clock& clock_;
  FileDescriptor lock_;
  FileDescriptor bell_;
  std::optional<net::Listener> listener_;
  std::unique_ptr<execution::LocalExecutor> executor_;
  std::vector<Connection> guests_;
  std::optional<Connection> server_;
  SteadyTime idle_since_ = std::chrono::steady_clock::now();
  Outbox outbox_;  // to server_

  std::optional<LauncherDesk> desk_;  // last: it ends before what it uses
};

Status Launcher::take_lock() {
  const std::string path = options_.state + "/launcher.lock";
  lock_ = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_.is_open()) return file_error(errno, path);
  // One that is leaving holds it for a moment more.
  const SteadyTime deadline = std::chrono::steady_clock::now() + options_.patience;
  while (!TRY(try_lock_exclusively(lock_, path))) {
    if (std::chrono::steady_clock::now() >= deadline) {
      const Json holder =
          Json::parse(read_file(path, 4'096).value_or("{}")).value_or(Json::object());
      return Error(
          ErrorCode::AlreadyExists,
          fmt::format("the launcher of this project (pid {}) does not answer, and runs its "
                      "attempts; end it (kill -9), then try again",
                      holder.integer_or("pid", 0)));
    }
    ::poll(nullptr, 0, 20);
  }
  const std::string holder = Json::object({{"pid", ::getpid()}}).dump() + "\n";
  if (::ftruncate(lock_.get(), 0) != 0 ||
      ::pwrite(lock_.get(), holder.data(), holder.size(), 0) < 0)
    return file_error(errno, path);
  return {};
}

Status Launcher::open() {
  TRY(take_lock());
  bell_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell_.is_open()) return file_error(errno, "the launcher's descriptors");
  executor_ = TRY(execution::LocalExecutor::make(
      {.log_folder = options_.state + "/logs", .owner = options_.state}, clock_,
      execution::make_local_spawner()));
  KeptEnds ends = TRY(KeptEnds::open(options_.state + "/launcher.ended"));
  listener_.emplace(
      TRY(net::Listener::open(net::Listen::unix_socket(socket_path(options_.state)))));
  desk_.emplace(
      *executor_, std::move(ends),
      [this](const std::set<AttemptId>& spared) -> Status {
        TRY(execution::end_survivors(options_.state, kPatienceWithSurvivors, spared));
        return {};
      },
      [this](Line line, LauncherDesk::Need need) { send(std::move(line), need); },
      [this] { ring(); });
  if (options_.first_connection >= 0) {
    ::fcntl(options_.first_connection, F_SETFD, FD_CLOEXEC);
    welcome(FileDescriptor(options_.first_connection));
  }
  return {};
}

void Launcher::run() {
  std::vector<pollfd> watched;
  while (!desk_->is_done() && !has_nothing_to_do()) {
    const Status served = caught([&] {
      listen_again();
      wait(watched);
      serve(watched);
      desk_->tend();
    });
    if (served.ok()) continue;
    // All attempts would end with this process. Who was being heard may say it again.
    const Status left = caught([&] {
      log_error("serving met an error of ours: " + served.error().message());
      if (server_) lose_server("an order may have been lost by that");
    });
    ::poll(nullptr, 0, left.ok() ? 100 : 1'000);  // it may be met at each turn
  }
  say_goodbye();
}

/// Whether the folder at its path is the one that this launcher has locked.
bool Launcher::is_in_place() const {
  struct stat held{};
  struct stat found{};
  return ::fstat(lock_.get(), &held) == 0 &&
         ::stat((options_.state + "/launcher.lock").c_str(), &found) == 0 &&
         held.st_dev == found.st_dev && held.st_ino == found.st_ino;
}

/// Who removed the socket's file took the way here from the next server.
void Launcher::listen_again() {
  const std::string path = socket_path(options_.state);
  if (server_ || ::access(path.c_str(), F_OK) == 0 || errno != ENOENT || !is_in_place()) return;
  auto listener = net::Listener::open(net::Listen::unix_socket(path));
  if (listener.ok()) listener_.emplace(*std::move(listener));
}

bool Launcher::has_nothing_to_do() {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (server_ || !guests_.empty() || desk_->has_live_attempts()) idle_since_ = now;
  if (now < idle_since_ + options_.leave_after) return false;
  if (desk_->may_leave()) return true;
  idle_since_ = now;  // later, when there may be room on the disk
  return false;
}

/// Until something comes; and now and then, since guests and leaving have their time, and the socket
/// may be removed.
void Launcher::wait(std::vector<pollfd>& watched) {
  constexpr int look_around = 1'000;
  watched.assign({{bell_.get(), POLLIN, 0}, {listener_->descriptor(), POLLIN, 0}});
  watched.push_back({server_ ? server_->fd.get() : -1, POLLIN, 0});
  if (outbox_.is_waiting()) watched.back().events |= POLLOUT;
  for (const Connection& guest : guests_) watched.push_back({guest.fd.get(), POLLIN, 0});
  const bool timed = !guests_.empty() || !server_;
  ::poll(watched.data(), watched.size(), timed ? look_around : -1);
}

void Launcher::serve(const std::vector<pollfd>& watched) {
  if (watched[0].revents != 0) {
    std::uint64_t rings = 0;
    [[maybe_unused]] const ssize_t size = ::read(bell_.get(), &rings, sizeof(rings));
  }
  if (watched[2].revents != 0) serve_server(watched[2].revents);
  const SteadyTime now = std::chrono::steady_clock::now();
  std::vector<Connection> left;
  for (std::size_t i = 0; i < guests_.size(); ++i) {
    const bool spoke = i + 3 < watched.size() && watched[i + 3].revents != 0;
    const bool stays = spoke ? serve_guest(guests_[i]) : now < guests_[i].since + kPatienceForHello;
    if (stays) left.push_back(std::move(guests_[i]));
  }
  guests_ = std::move(left);
  if (watched[1].revents != 0) accept();
}

void Launcher::accept() {
  FileDescriptor socket(
      ::accept4(listener_->descriptor(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.is_open()) {
    // Without a descriptor for it who waits stays in line, and would be seen again at once.
    if (errno != EAGAIN && errno != EINTR) ::poll(nullptr, 0, 100);
    return;
  }
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      (peer.uid != ::geteuid() && peer.uid != 0))
    return log_warning(fmt::format("a connection of another user (uid {}) was refused", peer.uid));
  if (guests_.size() >= kMostGuests) guests_.erase(guests_.begin());
  welcome(std::move(socket));
}

void Launcher::welcome(FileDescriptor socket) {
  ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  const std::string line = to_line(Report(report::Hello{kProtocolVersion, options_.state}));
  if (::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
      static_cast<ssize_t>(line.size()))
    guests_.emplace_back(std::move(socket));
}

bool Launcher::read(Connection& from) const {
  std::array<char, kPiece> piece;
  for (int pieces = 0; pieces < kMostPieces; ++pieces) {
    const ssize_t size = ::recv(from.fd.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (size <= 0) return pieces > 0;  // an end is met again when what came before it was heard
    const Status fed = from.lines.feed({piece.data(), static_cast<std::size_t>(size)});
    if (!fed.ok()) log_error("a connection was ended: " + fed.error().message());
    if (!fed.ok()) return false;
  }
  return true;
}

bool Launcher::serve_guest(Connection& guest) {
  if (!read(guest)) return false;
  const std::optional<std::string> line = guest.lines.next();
  if (!line) return true;
  const std::optional<order::Hello> hello = hello_in(*line);
  if (hello) promote(std::move(guest), *hello);
  return false;
}

/// The first line, if it is the hello of a server that this launcher can serve.
std::optional<order::Hello> Launcher::hello_in(const std::string& line) const {
  const Result<Order> first = order_from(line);
  const auto* hello = first.ok() ? std::get_if<order::Hello>(&*first) : nullptr;
  if (hello == nullptr) {
    log_error("a connection was ended: its first line must be a hello" +
              (first.ok() ? std::string() : ", and is none: " + first.error().message()));
    return std::nullopt;
  }
  // It has read ours, and ends this launcher when the two do not fit.
  if (hello->version != kProtocolVersion || hello->state != options_.state) return std::nullopt;
  return *hello;
}

/// The newest server is the one that counts: only the one that holds the project's lock connects.
void Launcher::promote(Connection guest, const order::Hello& hello) {
  if (server_) lose_server("another server has come");
  server_.emplace(std::move(guest));
  outbox_.address_to(server_->fd.get());
  desk_->server_came(hello);
  hear();
}

void Launcher::serve_server(short events) {
  if ((events & POLLOUT) != 0 && !outbox_.flush())
    return lose_server("it does not listen any more");
  if ((events & ~POLLOUT) == 0) return;
  if (!read(*server_)) return lose_server("");
  hear();
}

void Launcher::hear() {
  std::vector<Order> orders;
  Status understood;
  while (const std::optional<std::string> line = server_->lines.next()) {
    Result<Order> order = order_from(*line);
    if (!order.ok()) {
      understood =
          std::move(order).error().while_doing("'" + line->substr(0, 200) + "' is no order");
      break;
    }
    orders.push_back(*std::move(order));
  }
  const Status obeyed = desk_->obey(std::move(orders));
  const Status& first = obeyed.ok() ? understood : obeyed;
  if (!first.ok()) lose_server("it said what cannot be obeyed: " + first.error().message());
}

void Launcher::lose_server(const std::string& why) {
  if (!why.empty()) log_error("the server's connection was ended: " + why);
  desk_->server_left();
  outbox_.address_to(-1);
  server_.reset();
}

void Launcher::send(Line line, LauncherDesk::Need need) {
  // The launcher's thread sends the rest, or sees that nobody reads.
  if (!outbox_.send(std::move(line), need)) ring();
}

void Launcher::ring() const {
  const std::uint64_t one = 1;
  // It fails only when the bell has been rung often enough already.
  [[maybe_unused]] const ssize_t written = ::write(bell_.get(), &one, sizeof(one));
}

void Launcher::say_goodbye() {
  listener_->remove_file();
  send(make_line(to_line(Report(report::Stopped{}))), LauncherDesk::Need::Always);
  const SteadyTime deadline = std::chrono::steady_clock::now() + kPatienceAtTheEnd;
  while (outbox_.is_waiting() && outbox_.flush() && std::chrono::steady_clock::now() < deadline) {
    pollfd writable{server_->fd.get(), POLLOUT, 0};
    ::poll(&writable, 1, 100);
  }
}

void tell_refusal(int connection, const Error& why) {
  if (connection < 0) return;
  const std::string line = to_line(Report(report::Refused{why.message()}));
  [[maybe_unused]] const ssize_t sent =
      ::send(connection, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

std::string socket_path(const std::string& state) {
  return state + "/launcher.sock";
}

Status run_launcher(const LauncherOptions& options, const Clock& clock) {
  Launcher launcher(options, clock);
  Status opened = launcher.open();
  if (!opened.ok()) {
    tell_refusal(options.first_connection, opened.error());
    return opened;
  }
  let_go_of_unused_pages();
  launcher.run();
  return {};
}

}  // namespace millrace::launcher
