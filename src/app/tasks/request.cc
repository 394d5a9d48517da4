#include "tasks/request.h"

namespace millrace::tasks {

Json Request::to_json() const {
  Json json = Json::object({{"project", project},
                            {"target", target},
                            {"server_socket", server_socket},
                            {"dag", dag},
                            {"run", run},
                            {"task", task},
                            {"kind", kind},
                            {"config", config},
                            {"logical_date", format_instant(logical_date)},
                            {"interval_start", format_instant(interval_start)},
                            {"params", params},
                            {"generation", generation},
                            {"number", number},
                            {"epoch", epoch},
                            {"threads", resources.threads},
                            {"memory_bytes", resources.memory_bytes},
                            {"upstream", upstream},
                            {"prepared", prepared}});
  if (previous.has_value())
    json.set("previous",
             Json::object({{"content_key", previous->content_key}, {"result", previous->result}}));
  return json;
}

Result<Request> Request::from_json(const Json& json) {
  Request request;
  request.project = TRY(json.string_at("project"));
  request.target = TRY(json.string_at("target"));
  request.server_socket = json.string_or("server_socket", "");
  request.dag = TRY(json.string_at("dag"));
  request.run = TRY(json.string_at("run"));
  request.task = TRY(json.string_at("task"));
  request.kind = TRY(json.string_at("kind"));
  request.config = json["config"];
  request.logical_date = TRY(parse_instant(TRY(json.string_at("logical_date"))));
  request.interval_start = TRY(parse_instant(TRY(json.string_at("interval_start"))));
  request.params = json["params"];
  request.generation = TRY(json.integer_at("generation"));
  request.number = TRY(json.integer_at("number"));
  request.epoch = TRY(json.integer_at("epoch"));
  request.resources.threads = static_cast<int>(TRY(json.integer_at("threads")));
  request.resources.memory_bytes = static_cast<std::uint64_t>(TRY(json.integer_at("memory_bytes")));
  request.upstream = json["upstream"];
  request.prepared = json["prepared"];
  if (const Json* previous = json.find("previous"))
    request.previous = PreviousResult{
        TRY(previous->string_at("content_key")), (*previous)["result"]};
  return request;
}

}  // namespace millrace::tasks
