// deploy: the endpoint switches to the version in Production.
//
//   - id: deploy
//     kind: deploy
//     upstream: [evaluate]

#include <fmt/core.h>

#include "net/http_client.h"
#include "tasks/each_kind.h"
#include "tasks/references.h"

namespace millrace::tasks {
namespace {

class DeployTask final : public TaskKind {
 public:
  std::string_view name() const override { return "deploy"; }

  void check(const TaskSettings& settings, project::Problems& problems) const override {
    SettingsReader fields(settings, problems);
    check_upstream(settings, "promoted", "evaluate", fields);
    fields.refuse_unknown();
  }

  Result<Json> run(Attempt& attempt) const override {
    const Json judged = TRY(attempt.upstream_with("promoted"));
    const std::string name = TRY(judged.string_at("model"));
    if (!TRY(judged.bool_at("promoted")))
      return Json::object({{"skipped", fmt::format("version {} of {} does not go into Production",
                                                   judged["version"].dump(), name)}});
    net::HttpClient server({.unix_path = attempt.request().server_socket});
    auto answer =
        server.post_json("/api/v1/models/" + net::encode_part(name) + "/deploy", Json::object());
    // Judged in an earlier run of the task, and taken out by a person since.
    if (!answer.ok() && answer.error().code() == ErrorCode::NotFound)
      return Json::object({{"skipped", answer.error().message()}});
    const Json switched = TRY_DOING("switching the endpoint", std::move(answer));
    const std::string endpoint = switched.string_or("endpoint", "");
    return Json::object({{"model", name},
                         {"version", switched["version"]},
                         {"endpoint", endpoint},
                         {"summary", fmt::format("{} version {} {}", name,
                                                 switched["version"].dump(), where(endpoint))}});
  }

 private:
  /// The server of a single command has its endpoint on a socket, and ends with the command.
  static std::string where(const std::string& endpoint) {
    if (endpoint.starts_with("unix:")) return "is in Production; `millrace up` will serve it";
    return "answers at " + endpoint;
  }
};

}  // namespace

const TaskKind& deploy_kind() {
  static const DeployTask kKind;
  return kKind;
}

}  // namespace millrace::tasks
