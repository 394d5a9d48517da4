#include "execution/local_executor.h"

#include <fmt/core.h>

#include "base/log.h"
#include "execution/local_executor_loop.h"
#include "execution/survivors.h"

namespace millrace::execution {

using orchestration::AttemptId;
using orchestration::AttemptRequest;
using orchestration::ExecutorListener;
using orchestration::Preparation;

namespace {

constexpr Duration kPatienceWithSurvivors = std::chrono::seconds(10);

}  // namespace

Status LocalExecutor::Loop::open() {
  TRY(watch_.open());
  thread_ = std::thread([this] { run(); });
  return {};
}

Status LocalExecutor::Loop::start(AttemptRequest request) {
  TRY(check(request));
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Error(ErrorCode::Unavailable, "the executor was stopped");
    orders_.emplace_back(
        [this, request = std::move(request)]() mutable { begin_or_fail(std::move(request)); });
  }
  watch_.ring();
  return {};
}

void LocalExecutor::Loop::order(std::function<void()> what) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(what));
  }
  watch_.ring();
}

void LocalExecutor::Loop::kill(const AttemptId& attempt, Duration grace) {
  order([this, attempt, grace] {
    if (const auto found = attempts_.find(attempt); found != attempts_.end())
      found->second->group().end(grace);
  });
}

void LocalExecutor::Loop::stop(Duration grace) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_)
      orders_.emplace_back([this, grace] {
        leaving_ = true;
        for (const auto& entry : attempts_) entry.second->group().end(grace);
      });
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  watch_.ring();
  thread_.join();
}

LocalExecutor::LocalExecutor(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
LocalExecutor::~LocalExecutor() = default;

Result<std::unique_ptr<LocalExecutor>> LocalExecutor::make(LocalExecutorOptions options,
                                                           const Clock& clock,
                                                           std::unique_ptr<Spawner> spawner) {
  if (!options.owner.empty()) {
    const int ended = TRY(end_survivors(options.owner, kPatienceWithSurvivors));
    if (ended > 0)
      log_warning(
          fmt::format("ended {} processes that attempts of an earlier server had left", ended));
  }
  auto loop = std::make_unique<Loop>(std::move(options), clock, std::move(spawner));
  TRY(loop->open());
  return std::unique_ptr<LocalExecutor>(new LocalExecutor(std::move(loop)));
}

Status LocalExecutor::check(const AttemptRequest& request) {
  if (request.work.speaks != Preparation::Speaks::Protocol) return {};
  // The rest of the request line is ids, far below a kilobyte.
  const std::size_t size = request.work.document.dump().size();
  if (size + 4'096 <= kLongestLine) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("the request of attempt {} has {} bytes; the limit is {}, larger things "
                           "are passed by reference",
                           request.id.str(), size, kLongestLine - 4'096));
}

void LocalExecutor::listen(ExecutorListener& listener) {
  loop_->listen(listener);
}
Status LocalExecutor::start(AttemptRequest request) {
  return loop_->start(std::move(request));
}
void LocalExecutor::kill(const AttemptId& attempt, Duration grace) {
  loop_->kill(attempt, grace);
}
void LocalExecutor::stop(Duration grace) {
  loop_->stop(grace);
}

}  // namespace millrace::execution
