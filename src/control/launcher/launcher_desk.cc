#include "launcher/launcher_desk.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/caught.h"
#include "base/log.h"
#include "base/size.h"

namespace millrace::launcher {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptMessage;
using orchestration::AttemptRequest;
using orchestration::Outcome;

namespace {

// Of an attempt in whose place another one is started, and that nobody has asked to end.
constexpr Duration kGraceOfReplaced = std::chrono::seconds(10);

AttemptEnd failed(ErrorCode code, std::string why) {
  AttemptEnd end;
  end.outcome = {Outcome::Kind::Failed, code, std::move(why)};
  return end;
}

/// Of an end for which there is no more room: without results it is small, whatever happened.
Line without_its_result(report::Finished& finished, std::size_t bytes) {
  AttemptEnd& end = finished.end;
  end.result = Json();
  end.xcoms = Json::object();
  if (end.outcome.kind != Outcome::Kind::Failed)
    end.outcome = {
        Outcome::Kind::Failed, ErrorCode::Exhausted,
        fmt::format("its result, of {}, has no place beside those of other attempts that "
                    "wait for a server to store them; start one (`millrace up`), and pass "
                    "larger things by reference",
                    format_bytes(bytes))};
  return make_line(to_line(Report(finished)));
}

}  // namespace

LauncherDesk::LauncherDesk(orchestration::Executor& executor, KeptEnds ends,
                           EndSurvivors end_survivors, Send send, std::function<void()> wake)
    : executor_(executor),
      end_survivors_(std::move(end_survivors)),
      send_(std::move(send)),
      wake_(std::move(wake)),
      ends_(std::move(ends)) {
  executor_.listen(*this);
}

LauncherDesk::~LauncherDesk() {
  executor_.stop(Duration::zero());
}

void LauncherDesk::server_came(const order::Hello& hello) {
  const std::lock_guard lock(mutex_);
  server_is_there_ = true;
  server_ = hello;
  rest_asked_by_.reset();
  for (auto& entry : live_) entry.second.told = false;
  told_ends_.clear();
}

void LauncherDesk::server_left() {
  const std::lock_guard lock(mutex_);
  server_is_there_ = false;
  rest_asked_by_.reset();
}

Status LauncherDesk::obey(std::vector<Order> orders) {
  const std::lock_guard lock(mutex_);
  is_obeying_ = true;
  const Status obeyed = caught([&] { return obey_all(orders); });
  is_obeying_ = false;
  for (const AttemptId& attempt : live_attempts()) begin_if_alone(attempt);
  return obeyed;
}

Status LauncherDesk::obey_all(std::vector<Order>& orders) {
  for (Order& order : orders)
    TRY(std::visit([this](auto& what) { return take(std::move(what)); }, order));
  return {};
}

Status LauncherDesk::take(const order::Hello&) {
  return Error(ErrorCode::Invalid, "a second hello");
}

Status LauncherDesk::take(order::Start start) {
  const AttemptId id = start.request.id;
  if (live_.contains(id))
    return Error(ErrorCode::Invalid,
                 fmt::format("attempt {} is to be started, and runs already", id.str()));
  orchestration::Preparation& work = start.request.work;
  work.environment.insert(server_.environment.begin(), server_.environment.end());
  if (work.working_folder.empty()) work.working_folder = server_.working_folder;
  live_[id] = {start.token, true, false};
  for (const AttemptId& other : others_of_its_task(id)) {
    log_warning(fmt::format("attempt {} begins when attempt {} is gone, which is ended", id.str(),
                            other.str()));
    kill(other, kGraceOfReplaced);
  }
  live_[id].waiting = std::move(start.request);
  return {};
}

void LauncherDesk::begin(AttemptRequest request) {
  const AttemptId id = request.id;
  const Status accepted = stopping_ ? Error(ErrorCode::Unavailable, "the launcher is stopping")
                                    : caught([&] { return executor_.start(std::move(request)); });
  if (!accepted.ok())
    keep_end({id, live_[id].token, failed(accepted.error().code(), accepted.error().message())});
}

std::set<AttemptId> LauncherDesk::live_attempts() const {
  std::set<AttemptId> all;
  for (const auto& entry : live_) all.insert(entry.first);
  return all;
}

std::set<AttemptId> LauncherDesk::others_of_its_task(const AttemptId& attempt) const {
  std::set<AttemptId> others = live_attempts();
  std::erase_if(others, [&](const AttemptId& id) {
    return id == attempt || id.run != attempt.run || id.task != attempt.task ||
           id.map_index != attempt.map_index;
  });
  return others;
}

void LauncherDesk::begin_if_alone(const AttemptId& attempt) {
  const auto live = live_.find(attempt);
  if (live == live_.end() || !live->second.waiting || !others_of_its_task(attempt).empty()) return;
  AttemptRequest request = *std::exchange(live->second.waiting, std::nullopt);
  begin(std::move(request));
}

void LauncherDesk::begin_what_waited_for(const AttemptId& ended) {
  // At most one waits: the start of another one ends it.
  const std::set<AttemptId> others = others_of_its_task(ended);
  if (!is_obeying_ && others.size() == 1) begin_if_alone(*others.begin());
}

/// One that has not begun is over at once.
void LauncherDesk::kill(const AttemptId& attempt, Duration grace) {
  const auto found = live_.find(attempt);
  if (found == live_.end() || !found->second.waiting) return executor_.kill(attempt, grace);
  keep_end({attempt, found->second.token,
            failed(ErrorCode::Cancelled, "it was ended before it had begun")});
}

Status LauncherDesk::take(const order::Kill& order) {
  kill(order.attempt, order.grace);
  return {};
}

Status LauncherDesk::take(const order::Adopt& adopt) {
  const auto live = live_.find(adopt.attempt);
  if (live != live_.end() && live->second.token == adopt.token) {
    live->second.told = true;
    tell(report::Answer{adopt.id, true, ""});
    tell(report::Heartbeat{adopt.attempt});
    for (const auto& [id, question] : questions_)
      if (question.attempt == adopt.attempt) tell(report::Fence{id, adopt.attempt});
    return {};
  }
  Line end = ends_.find(adopt.attempt, adopt.token);
  tell(report::Answer{adopt.id, end != nullptr, ""});
  if (end == nullptr || !server_is_there_) return {};
  told_ends_.insert(adopt.attempt);
  send_(std::move(end), Need::Always);
  return {};
}

Status LauncherDesk::take(const order::EndTheRest& end) {
  for (const AttemptId& attempt : live_attempts()) {
    const auto found = live_.find(attempt);
    if (found == live_.end() || found->second.told) continue;
    log_info(fmt::format("attempt {} is ended, since the server of now does not know it",
                         attempt.str()));
    found->second.is_settled = true;
    kill(attempt, Duration::zero());
  }
  for (const AttemptId& attempt : ends_.attempts())
    if (!told_ends_.contains(attempt)) ends_.remove(attempt);
  rest_asked_by_ = end.id;
  wake_();
  return {};
}

Status LauncherDesk::take(const order::Settled& settled) {
  ends_.remove(settled.attempt);
  told_ends_.erase(settled.attempt);
  if (const auto live = live_.find(settled.attempt); live != live_.end())
    live->second.is_settled = true;
  return {};
}

Status LauncherDesk::take(const order::FenceAnswer& answer) {
  const auto found = questions_.find(answer.id);
  if (found == questions_.end()) return {};  // its attempt has ended meanwhile
  const std::function<void(bool)> tell_it = std::move(found->second.answer);
  questions_.erase(found);
  tell_it(answer.allowed);
  return {};
}

Status LauncherDesk::take(const order::Stop& stop) {
  stopping_ = true;
  for (const AttemptId& attempt : live_attempts()) kill(attempt, stop.grace);
  wake_();
  return {};
}

bool LauncherDesk::waits_for_the_rest() const {
  return std::any_of(live_.begin(), live_.end(),
                     [](const auto& entry) { return !entry.second.told; });
}

void LauncherDesk::tend() {
  std::unique_lock lock(mutex_);
  if (!rest_asked_by_ || waits_for_the_rest()) return;
  const std::int64_t id = *std::exchange(rest_asked_by_, std::nullopt);
  const std::set<AttemptId> living = live_attempts();
  lock.unlock();
  const Status ended = end_survivors_(living);
  lock.lock();
  tell(report::Answer{id, ended.ok(), ended.ok() ? "" : ended.error().message()});
}

bool LauncherDesk::has_live_attempts() const {
  const std::lock_guard lock(mutex_);
  return !live_.empty();
}

bool LauncherDesk::is_done() const {
  const std::lock_guard lock(mutex_);
  return stopping_ && live_.empty();
}

bool LauncherDesk::may_leave() {
  const std::lock_guard lock(mutex_);
  return live_.empty() && ends_.are_in_file();
}

void LauncherDesk::tell(const Report& report, Need need) {
  if (server_is_there_) send_(make_line(to_line(report)), need);
}

bool LauncherDesk::hears(const AttemptId& attempt) const {
  const auto found = live_.find(attempt);
  return server_is_there_ && found != live_.end() && found->second.told;
}

void LauncherDesk::started(const AttemptId& attempt) {
  const std::lock_guard lock(mutex_);
  if (hears(attempt)) tell(report::Started{attempt});
}

void LauncherDesk::heartbeat(const AttemptId& attempt) {
  const std::lock_guard lock(mutex_);
  if (hears(attempt)) tell(report::Heartbeat{attempt}, Need::IfThereIsRoom);
}

void LauncherDesk::message(const AttemptId& attempt, AttemptMessage message) {
  const std::lock_guard lock(mutex_);
  if (hears(attempt)) tell(report::Said{attempt, std::move(message)}, Need::IfThereIsRoom);
}

void LauncherDesk::may_commit(const AttemptId& attempt, std::function<void(bool)> answer) {
  const std::lock_guard lock(mutex_);
  const std::int64_t id = ++last_question_;
  questions_[id] = {attempt, std::move(answer)};
  if (hears(attempt)) tell(report::Fence{id, attempt});
}

void LauncherDesk::finished(const AttemptId& attempt, AttemptEnd end) {
  const std::lock_guard lock(mutex_);
  const auto live = live_.find(attempt);
  if (live == live_.end()) return;
  const std::string token = live->second.token;
  const Status kept = caught([&] { keep_end({attempt, token, std::move(end)}); });
  // An error of ours (memory) before it was kept: how the attempt ended is not known, but that.
  if (!kept.ok() && live_.contains(attempt))
    keep_end({attempt, token, failed(kept.error().code(), kept.error().message())});
}

void LauncherDesk::lost(const AttemptId& attempt, std::string why) {
  finished(attempt, failed(ErrorCode::Unavailable, std::move(why)));
}

/// The attempt is over: whoever hears of it hears that, and what somebody may ask for is kept.
void LauncherDesk::keep_end(report::Finished finished) {
  Line line = make_line(to_line(Report(finished)));
  if (!ends_.has_room_for(line->size())) line = without_its_result(finished, line->size());
  const auto found = live_.find(finished.attempt);
  const Live live = std::move(found->second);
  live_.erase(found);
  std::erase_if(questions_,
                [&](const auto& entry) { return entry.second.attempt == finished.attempt; });
  // When it was told to stop the attempt was interrupted, and what it says of that counts for
  // nobody who comes later.
  if (!live.is_settled && !stopping_) {
    ends_.add(finished.attempt, finished.token, line);
    if (live.told) told_ends_.insert(finished.attempt);
  }
  if (live.told && server_is_there_) send_(std::move(line), Need::Always);
  begin_what_waited_for(finished.attempt);
  if (live_.empty() || rest_asked_by_) wake_();
}

}  // namespace millrace::launcher
