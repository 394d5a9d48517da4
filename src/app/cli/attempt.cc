// `millrace attempt`: one attempt of a built-in task, started by the executor.

#include <cstdio>
#include <stop_token>

#include "cli/verbs.h"
#include "execution/attempt_channel.h"
#include "tasks/run_attempt.h"

namespace millrace::cli {
namespace {

tasks::Reporting reporting_over(execution::AttemptChannel& channel, std::stop_token stop) {
  // A supervisor that has gone ends this process by itself; what cannot be told is not worth
  // failing for.
  return {.log = [&](std::string_view text) { static_cast<void>(channel.log("info", text)); },
          .progress =
              [&](double fraction, std::string_view text) {
                static_cast<void>(channel.progress(fraction, text));
              },
          .metrics = [&](const Json& values) { static_cast<void>(channel.metrics(values)); },
          .fence = [&] { return channel.ask_fence(); },
          .stop = std::move(stop)};
}

Result<Json> work(execution::AttemptChannel& channel, std::stop_token stop) {
  tasks::Request request = TRY(tasks::Request::from_json(channel.request().document));
  try {
    return tasks::run_attempt(std::move(request), reporting_over(channel, std::move(stop)));
  } catch (const std::exception& error) {
    return Error(ErrorCode::Internal, std::string("unexpected: ") + error.what());
  }
}

}  // namespace

int attempt() {
  auto channel = execution::AttemptChannel::open();
  if (!channel.ok()) {
    std::fprintf(stderr, "error: %s\n", channel.error().message().c_str());
    return kUnavailable;
  }
  std::stop_source stop;
  (*channel)->on_cancel([&] { stop.request_stop(); });
  const Result<Json> result = work(**channel, stop.get_token());
  Status told;
  if (!result.ok())
    told = (*channel)->fail(result.error());
  else if (result->contains("skipped"))
    told = (*channel)->skip(result->string_or("skipped", ""));
  else
    told = (*channel)->succeed(*result, result->bool_or("skip_downstream", false)
                                            ? execution::AttemptChannel::Downstream::IsSkipped
                                            : execution::AttemptChannel::Downstream::Goes);
  if (!told.ok()) told = (*channel)->fail(told.error());  // the result was too large
  return told.ok() ? kSuccess : kUnavailable;
}

}  // namespace millrace::cli
