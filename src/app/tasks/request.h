#pragma once

// What an attempt of a task is told: the document that the server puts into the attempt's channel.

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "orchestration/dag.h"

namespace millrace::tasks {

/// The same task of the same run, as it ended before: what a content key is compared with.
struct PreviousResult {
  std::string content_key;
  Json result;
};

struct Request {
  std::string project;  // folder
  std::string target;
  std::string server_socket;  // where the server listens
  std::string dag;
  std::string run;
  std::string task;
  std::string kind;
  Json config = Json::object();
  Instant logical_date;
  Instant interval_start;
  Json params = Json::object();
  std::int64_t generation = 1;
  std::int64_t number = 1;
  std::int64_t epoch =
      1;  // tells the attempts of this task in this run apart, over all generations
  orchestration::Resources resources;
  Json upstream = Json::object();  // results of the tasks directly before it, by id
  Json prepared = Json::object();  // what the kind's prepare() added
  std::optional<PreviousResult> previous;

  Json to_json() const;
  /// Errors: Invalid.
  static Result<Request> from_json(const Json& json);
};

}  // namespace millrace::tasks
