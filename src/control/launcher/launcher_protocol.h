#pragma once

// What a server and its launcher say to each other: one JSON document a line, over a Unix socket.
// docs/formats/launcher.md lists the messages. Here they are plain values, and text both ways.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.h"
#include "orchestration/executor.h"

namespace millrace::launcher {

inline constexpr std::int64_t kProtocolVersion = 1;
/// Of a line, with its newline. An end is the largest: the attempt's result and xcoms, of which
/// execution takes 64 MiB together as they are written.
inline constexpr std::size_t kLongestLine = 128U << 20U;

/// What a server says.
namespace order {

/// The first line. The launcher's attempts get this environment and, where they name none, this
/// working folder: those of the server of now, not of the one that started the launcher.
struct Hello {
  std::int64_t version = kProtocolVersion;
  std::string state;  // the project's state folder, by its real path
  std::string working_folder;
  std::map<std::string, std::string> environment;
};
/// `token` is the server's own: with the attempt it names this start among all others. It comes back
/// in adopt.
struct Start {
  orchestration::AttemptRequest request;
  std::string token;
};
struct Kill {
  orchestration::AttemptId attempt;
  Duration grace = Duration::zero();
};
/// Answered: whether the attempt lives, or its end is known; its reports follow the answer.
struct Adopt {
  std::int64_t id = 0;
  orchestration::AttemptId attempt;
  std::string token;
};
/// Answered when what was not adopted is gone.
struct EndTheRest {
  std::int64_t id = 0;
};
struct Settled {
  orchestration::AttemptId attempt;
};
struct FenceAnswer {
  std::int64_t id = 0;
  bool allowed = false;
};
/// Ends all attempts; `stopped` follows, and the launcher leaves.
struct Stop {
  Duration grace = Duration::zero();
};

}  // namespace order

using Order = std::variant<order::Hello, order::Start, order::Kill, order::Adopt, order::EndTheRest,
                           order::Settled, order::FenceAnswer, order::Stop>;

/// What a launcher says.
namespace report {

/// The first line.
struct Hello {
  std::int64_t version = kProtocolVersion;
  std::string state;
};
/// Instead of Hello: why it cannot serve.
struct Refused {
  std::string message;
};
struct Started {
  orchestration::AttemptId attempt;
};
struct Heartbeat {
  orchestration::AttemptId attempt;
};
struct Said {
  orchestration::AttemptId attempt;
  orchestration::AttemptMessage message;
};
struct Fence {
  std::int64_t id = 0;
  orchestration::AttemptId attempt;
};
struct Finished {
  orchestration::AttemptId attempt;
  std::string token;
  orchestration::AttemptEnd end;
};
/// To adopt and end_the_rest. `message`: why not.
struct Answer {
  std::int64_t id = 0;
  bool ok = false;
  std::string message;
};
/// The last line.
struct Stopped {};

}  // namespace report

using Report =
    std::variant<report::Hello, report::Refused, report::Started, report::Heartbeat, report::Said,
                 report::Fence, report::Finished, report::Answer, report::Stopped>;

/// A line as it is said, with its newline. It may be large, and is kept and sent at once.
using Line = std::shared_ptr<const std::string>;
inline Line make_line(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

/// With the newline.
std::string to_line(const Order& order);
std::string to_line(const Report& report);

/// Without the newline. Errors: Invalid. A hello of another version has only that.
Result<Order> order_from(std::string_view line);
Result<Report> report_from(std::string_view line);

}  // namespace millrace::launcher
