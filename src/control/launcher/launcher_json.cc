#include "launcher/launcher_json.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "base/utf8.h"

namespace millrace::launcher {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::Outcome;

namespace {

/// A name that becomes a part of a path (the attempt's log).
Result<std::string> name_at(const Json& json, std::string_view name) {
  std::string text = TRY(json.string_at(name));
  if (text.empty() || text == "." || text == ".." || text.find('/') != std::string::npos ||
      text.find('\0') != std::string::npos)
    return Error(ErrorCode::Invalid, fmt::format("'{}' is no name: '{}'", name, text));
  return text;
}

Json from_code(const std::optional<ErrorCode>& code) {
  return code ? Json(to_string(*code)) : Json();
}

Json from_number(const std::optional<int>& number) {
  return number ? Json(*number) : Json();
}

constexpr std::pair<Outcome::Kind, std::string_view> kOutcomes[] = {
    {Outcome::Kind::Success, "success"},
    {Outcome::Kind::SuccessSkipDownstream, "success_skip_downstream"},
    {Outcome::Kind::Skipped, "skipped"},
    {Outcome::Kind::Failed, "failed"},
};

Result<Outcome::Kind> outcome_from(const std::string& name) {
  for (const auto& [kind, known] : kOutcomes)
    if (name == known) return kind;
  return Error(ErrorCode::Invalid, fmt::format("'{}' is no outcome of an attempt", name));
}

}  // namespace

Json from_bytes(const std::string& bytes) {
  if (is_utf8(bytes)) return bytes;
  Json list = Json::array();
  for (const char byte : bytes) list.push(static_cast<int>(static_cast<unsigned char>(byte)));
  return list;
}

Result<std::string> to_bytes(const Json& json) {
  std::string bytes;
  if (json.is_string())
    bytes = json.as_string();
  else if (!json.is_array())
    return Error(ErrorCode::Invalid, "a text or a list of bytes was expected");
  else
    for (const Json& byte : json.as_array()) {
      if (!byte.is_integer() || byte.as_integer() < 0 || byte.as_integer() > 255)
        return Error(ErrorCode::Invalid, "a byte is a number from 0 to 255");
      bytes += static_cast<char>(byte.as_integer());
    }
  if (bytes.find('\0') != std::string::npos)
    return Error(ErrorCode::Invalid, "a text that goes to a process holds no NUL");
  return bytes;
}

Json from_duration(Duration duration) {
  return static_cast<double>(duration.count()) / 1e6;
}

Result<Duration> duration_at(const Json& json, std::string_view name) {
  constexpr double longest = 1e9;
  const double seconds = TRY(json.number_at(name));
  if (!(seconds >= 0 && seconds <= longest))
    return Error(ErrorCode::Invalid, fmt::format("'{}' is no time span: {}", name, seconds));
  return Duration(static_cast<std::int64_t>(seconds * 1e6));
}

Result<int> int_at(const Json& json, std::string_view name) {
  const std::int64_t value = TRY(json.integer_at(name));
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max())
    return Error(ErrorCode::Invalid, fmt::format("'{}' is out of range: {}", name, value));
  return static_cast<int>(value);
}

Json from_attempt(const AttemptId& attempt) {
  return Json::object({{"dag", attempt.run.dag.str()},
                       {"run", attempt.run.run.str()},
                       {"task", attempt.task.str()},
                       {"epoch", attempt.epoch},
                       {"map_index", attempt.map_index}});
}

Result<AttemptId> attempt_in(const Json& message) {
  const Json& json = message["attempt"];
  AttemptId attempt;
  attempt.run.dag = orchestration::DagId(TRY(name_at(json, "dag")));
  attempt.run.run = orchestration::RunId(TRY(name_at(json, "run")));
  attempt.task = orchestration::TaskId(TRY(name_at(json, "task")));
  attempt.epoch = TRY(int_at(json, "epoch"));
  attempt.map_index = TRY(int_at(json, "map_index"));
  return attempt;
}

Json from_environment(const std::map<std::string, std::string>& environment) {
  // A list of pairs: a name need not be UTF-8 either.
  Json list = Json::array();
  for (const auto& [name, value] : environment)
    list.push(Json(Json::Array{from_bytes(name), from_bytes(value)}));
  return list;
}

Result<std::map<std::string, std::string>> environment_in(const Json& message) {
  std::map<std::string, std::string> environment;
  const Json& list = message["environment"];
  if (!list.is_array())
    return Error(ErrorCode::Invalid, "'environment' is a list of pairs of name and value");
  for (const Json& pair : list.as_array()) {
    if (!pair.is_array() || pair.as_array().size() != 2)
      return Error(ErrorCode::Invalid, "'environment' is a list of pairs of name and value");
    std::string name = TRY(to_bytes(pair.as_array()[0]));
    environment[std::move(name)] = TRY(to_bytes(pair.as_array()[1]));
  }
  return environment;
}

Json from_end(const AttemptEnd& end) {
  std::string_view outcome;
  for (const auto& [kind, name] : kOutcomes)
    if (kind == end.outcome.kind) outcome = name;
  return Json::object({{"outcome", outcome},
                       {"error", from_code(end.outcome.error)},
                       {"message", end.outcome.message},
                       {"exit_code", from_number(end.exit_code)},
                       {"signal", from_number(end.signal)},
                       {"cpu_seconds", from_duration(end.used.cpu)},
                       {"wall_seconds", from_duration(end.used.wall)},
                       {"max_rss_bytes", end.used.max_rss_bytes},
                       {"result", end.result},
                       {"xcoms", end.xcoms}});
}

Result<AttemptEnd> end_in(const Json& message) {
  const Json& json = message["end"];
  AttemptEnd end;
  const std::string outcome = TRY(json.string_at("outcome"));
  end.outcome.kind = TRY(outcome_from(outcome));
  end.outcome.error = error_code_from(json.string_or("error", ""));
  end.outcome.message = json.string_or("message", "");
  if (!json["exit_code"].is_null()) end.exit_code = TRY(int_at(json, "exit_code"));
  if (!json["signal"].is_null()) end.signal = TRY(int_at(json, "signal"));
  end.used.cpu = TRY(duration_at(json, "cpu_seconds"));
  end.used.wall = TRY(duration_at(json, "wall_seconds"));
  end.used.max_rss_bytes =
      static_cast<std::uint64_t>(std::max<std::int64_t>(json.integer_or("max_rss_bytes", 0), 0));
  end.result = json["result"];
  if (json["xcoms"].is_object()) end.xcoms = json["xcoms"];
  return end;
}

}  // namespace millrace::launcher
