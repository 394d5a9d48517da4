#include "launcher/launcher_protocol.h"

#include <algorithm>

#include <fmt/core.h>

#include "launcher/launcher_json.h"

namespace millrace::launcher {
namespace {

using orchestration::AttemptEnd;
using orchestration::AttemptId;
using orchestration::AttemptRequest;
using orchestration::Preparation;

// What an attempt may nest (base/json.h), and the lines around it.
constexpr std::size_t kDeepest = 72;
constexpr const char* kVersion = "millrace_launcher";

Json from_start(const order::Start& start) {
  const AttemptRequest& request = start.request;
  Json command = Json::array();
  for (const std::string& word : request.work.command) command.push(from_bytes(word));
  return Json::object(
      {{"type", "start"},
       {"attempt", from_attempt(request.id)},
       {"token", start.token},
       {"generation", request.generation},
       {"number", request.number},
       {"threads", request.resources.threads},
       {"memory_bytes", request.resources.memory_bytes},
       {"command", std::move(command)},
       {"environment", from_environment(request.work.environment)},
       {"working_folder", from_bytes(request.work.working_folder)},
       {"speaks", request.work.speaks == Preparation::Speaks::Protocol ? "protocol" : "nothing"},
       {"document", request.work.document}});
}

Result<order::Start> start_in(const Json& message) {
  order::Start start;
  AttemptRequest& request = start.request;
  request.id = TRY(attempt_in(message));
  start.token = TRY(message.string_at("token"));
  request.generation = TRY(int_at(message, "generation"));
  request.number = TRY(int_at(message, "number"));
  request.resources.threads = TRY(int_at(message, "threads"));
  const std::int64_t memory = TRY(message.integer_at("memory_bytes"));
  request.resources.memory_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(memory, 0));
  if (!message["command"].is_array()) return Error(ErrorCode::Invalid, "'command' is a list");
  for (const Json& word : message["command"].as_array())
    request.work.command.push_back(TRY(to_bytes(word)));
  request.work.environment = TRY(environment_in(message));
  request.work.working_folder = TRY(to_bytes(message["working_folder"]));
  const std::string speaks = TRY(message.string_at("speaks"));
  if (speaks != "protocol" && speaks != "nothing")
    return Error(ErrorCode::Invalid, "'speaks' is protocol or nothing");
  request.work.speaks =
      speaks == "protocol" ? Preparation::Speaks::Protocol : Preparation::Speaks::Nothing;
  request.work.document = message["document"];
  return start;
}

Json from_hello(const order::Hello& hello) {
  return Json::object({{"type", "hello"},
                       {kVersion, hello.version},
                       {"state", from_bytes(hello.state)},
                       {"working_folder", from_bytes(hello.working_folder)},
                       {"environment", from_environment(hello.environment)}});
}

Result<order::Hello> order_hello_in(const Json& message) {
  order::Hello hello;
  hello.version = TRY(message.integer_at(kVersion));
  if (hello.version != kProtocolVersion) return hello;
  hello.state = TRY(to_bytes(message["state"]));
  hello.working_folder = TRY(to_bytes(message["working_folder"]));
  hello.environment = TRY(environment_in(message));
  return hello;
}

Result<report::Hello> report_hello_in(const Json& message) {
  report::Hello hello;
  hello.version = TRY(message.integer_at(kVersion));
  if (hello.version == kProtocolVersion) hello.state = TRY(to_bytes(message["state"]));
  return hello;
}

/// One overload for each message.
struct ToJson {
  Json operator()(const order::Hello& hello) const { return from_hello(hello); }
  Json operator()(const order::Start& start) const { return from_start(start); }
  Json operator()(const order::Kill& kill) const {
    return about("kill", kill.attempt).set("grace_seconds", from_duration(kill.grace));
  }
  Json operator()(const order::Adopt& adopt) const {
    return about("adopt", adopt.attempt).set("id", adopt.id).set("token", adopt.token);
  }
  Json operator()(const order::EndTheRest& end) const {
    return Json::object({{"type", "end_the_rest"}, {"id", end.id}});
  }
  Json operator()(const order::Settled& settled) const { return about("settled", settled.attempt); }
  Json operator()(const order::FenceAnswer& answer) const {
    return Json::object({{"type", "fence_answer"}, {"id", answer.id}, {"allowed", answer.allowed}});
  }
  Json operator()(const order::Stop& stop) const {
    return Json::object({{"type", "stop"}, {"grace_seconds", from_duration(stop.grace)}});
  }
  Json operator()(const report::Hello& hello) const {
    return Json::object(
        {{"type", "hello"}, {kVersion, hello.version}, {"state", from_bytes(hello.state)}});
  }
  Json operator()(const report::Refused& refused) const {
    return Json::object({{"type", "refused"}, {"message", refused.message}});
  }
  Json operator()(const report::Started& started) const {
    return about("started", started.attempt);
  }
  Json operator()(const report::Heartbeat& beat) const { return about("heartbeat", beat.attempt); }
  Json operator()(const report::Said& said) const {
    return about("said", said.attempt)
        .set("kind", said.message.type)
        .set("message", said.message.body);
  }
  Json operator()(const report::Fence& fence) const {
    return about("fence", fence.attempt).set("id", fence.id);
  }
  Json operator()(const report::Finished& finished) const {
    return about("finished", finished.attempt)
        .set("token", finished.token)
        .set("end", from_end(finished.end));
  }
  Json operator()(const report::Answer& answer) const {
    return Json::object(
        {{"type", "answer"}, {"id", answer.id}, {"ok", answer.ok}, {"message", answer.message}});
  }
  Json operator()(const report::Stopped&) const { return Json::object({{"type", "stopped"}}); }

 private:
  static Json about(const char* type, const AttemptId& attempt) {
    return Json::object({{"type", type}, {"attempt", from_attempt(attempt)}});
  }
};

Result<Json> message_from(std::string_view line) {
  Json message = TRY(Json::parse(line, kDeepest));
  if (!message["type"].is_string())
    return Error(ErrorCode::Invalid, "a message is an object with a 'type'");
  return message;
}

Error unknown(const std::string& type) {
  return {ErrorCode::Invalid, fmt::format("a message of unknown type '{}'", type.substr(0, 100))};
}

}  // namespace

std::string to_line(const Order& order) {
  return std::visit(ToJson(), order).dump() + "\n";
}

std::string to_line(const Report& report) {
  return std::visit(ToJson(), report).dump() + "\n";
}

Result<Order> order_from(std::string_view line) {
  const Json message = TRY(message_from(line));
  const std::string& type = message["type"].as_string();
  if (type == "hello") return Order(TRY(order_hello_in(message)));
  if (type == "start") return Order(TRY(start_in(message)));
  if (type == "end_the_rest") return Order(order::EndTheRest{TRY(message.integer_at("id"))});
  if (type == "stop") return Order(order::Stop{TRY(duration_at(message, "grace_seconds"))});
  if (type == "fence_answer") {
    const std::int64_t id = TRY(message.integer_at("id"));
    const bool allowed = TRY(message.bool_at("allowed"));
    return Order(order::FenceAnswer{id, allowed});
  }
  if (type != "kill" && type != "adopt" && type != "settled") return unknown(type);
  const AttemptId attempt = TRY(attempt_in(message));
  if (type == "settled") return Order(order::Settled{attempt});
  if (type == "kill") {
    const Duration grace = TRY(duration_at(message, "grace_seconds"));
    return Order(order::Kill{attempt, grace});
  }
  const std::int64_t id = TRY(message.integer_at("id"));
  const std::string token = TRY(message.string_at("token"));
  return Order(order::Adopt{id, attempt, token});
}

Result<Report> report_from(std::string_view line) {
  const Json message = TRY(message_from(line));
  const std::string& type = message["type"].as_string();
  if (type == "hello") return Report(TRY(report_hello_in(message)));
  if (type == "refused") return Report(report::Refused{TRY(message.string_at("message"))});
  if (type == "stopped") return Report(report::Stopped{});
  if (type == "answer") {
    const std::int64_t id = TRY(message.integer_at("id"));
    const bool ok = TRY(message.bool_at("ok"));
    return Report(report::Answer{id, ok, message.string_or("message", "")});
  }
  if (type != "started" && type != "heartbeat" && type != "said" && type != "fence" &&
      type != "finished")
    return unknown(type);
  const AttemptId attempt = TRY(attempt_in(message));
  if (type == "started") return Report(report::Started{attempt});
  if (type == "heartbeat") return Report(report::Heartbeat{attempt});
  if (type == "said") {
    const std::string kind = TRY(message.string_at("kind"));
    return Report(report::Said{attempt, {kind, message["message"]}});
  }
  if (type == "fence") {
    const std::int64_t id = TRY(message.integer_at("id"));
    return Report(report::Fence{id, attempt});
  }
  const std::string token = TRY(message.string_at("token"));
  AttemptEnd end = TRY(end_in(message));
  return Report(report::Finished{attempt, token, std::move(end)});
}

}  // namespace millrace::launcher
