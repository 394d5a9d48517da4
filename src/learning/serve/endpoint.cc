#include "serve/endpoint.h"

#include <atomic>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "base/suggest.h"
#include "net/router.h"
#include "serve/scoring.h"

namespace millrace::serve {

namespace {

using net::Request;
using net::Response;

/// One version that answers. Only its counters change.
struct Serving {
  LoadedVersion loaded;
  Instant since;
  mutable std::atomic<std::uint64_t> requests = 0;
  mutable std::atomic<std::uint64_t> rows = 0;
  mutable std::atomic<std::uint64_t> refused = 0;
};

/// Everything that is loaded; a switch makes a new one.
struct Models {
  std::map<std::string, std::shared_ptr<const Serving>, std::less<>> by_name;
  std::string chosen;  // EndpointOptions::default_model

  const Serving* find(std::string_view name) const {
    const auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : found->second.get();
  }
  std::string default_name() const {
    if (!chosen.empty()) return chosen;
    return by_name.size() == 1 ? by_name.begin()->first : "";
  }
  std::vector<std::string> names() const {
    std::vector<std::string> known;
    for (const auto& [model, serving] : by_name) known.push_back(model);
    return known;
  }
};

/// The pointer that a switch changes, copied and replaced under a lock that is held for no more
/// than that. Not std::atomic<std::shared_ptr>: libstdc++ 12's gives its inner lock back without a
/// release after a load, which ThreadSanitizer reports, and other processors may reorder.
class Current {
 public:
  std::shared_ptr<const Models> load() const {
    const std::lock_guard lock(mutex_);
    return models_;
  }
  void store(std::shared_ptr<const Models> models) {
    const std::lock_guard lock(mutex_);
    models_.swap(models);  // what was there ends after the lock, when nobody uses it
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Models> models_;
};

Response refuse(int status, const Error& error) {
  return Response::error(status, error);
}

Response empty_answer(int status) {
  Response response;
  response.status = status;
  return response;
}

/// A feature that there is not is the rows' fault: it is not the address that was not found.
Response refuse_rows(const Error& error) {
  const bool theirs = error.code() == ErrorCode::NotFound || error.code() == ErrorCode::Invalid;
  return theirs ? refuse(400, Error(ErrorCode::Invalid, error.message())) : Response::error(error);
}

Response score(const Request& request, const Serving& serving) {
  const model::Predictor& predictor = *serving.loaded.predictor;
  if (request.body.empty()) return empty_answer(204);
  const std::string_view content_type = request.headers.get("Content-Type");
  const std::optional<Format> format = format_of(content_type);
  if (!format) {
    return refuse(415, Error(ErrorCode::Unsupported,
                             fmt::format("Content-Type '{}' is not known; send text/csv or "
                                         "application/json, in UTF-8",
                                         content_type.substr(0, 100))));
  }
  const std::string_view accept = request.headers.get("Accept");
  const std::optional<Format> answer = accepted_format(accept, *format);
  if (!answer) {
    return refuse(406, Error(ErrorCode::Unsupported,
                             fmt::format("Accept '{}' cannot be served; ask for text/csv or "
                                         "application/json",
                                         accept.substr(0, 100))));
  }
  const Result<model::FeatureRows> rows = *format == Format::Csv
                                              ? read_csv(predictor.encoder(), request.body)
                                              : read_json(predictor.encoder(), request.body);
  if (!rows) return refuse_rows(rows.error());
  const Result<std::vector<float>> scores = predictor.predict(*rows);
  if (!scores) return refuse(500, scores.error());
  serving.rows.fetch_add(scores->size(), std::memory_order_relaxed);
  Response response;
  const bool csv = *answer == Format::Csv;
  response.headers.add("Content-Type", csv ? "text/csv; charset=utf-8" : "application/json");
  response.body = csv ? write_csv(*scores) : write_json(*scores);
  return response;
}

Response answer(const Request& request, const Serving& serving) {
  Response response = score(request, serving);
  const bool refused = response.status >= 400 && response.status < 500;
  if (response.status == 200) serving.requests.fetch_add(1, std::memory_order_relaxed);
  if (refused) serving.refused.fetch_add(1, std::memory_order_relaxed);
  response.headers.add("X-Millrace-Model", serving.loaded.predictor->manifest().model);
  response.headers.add("X-Millrace-Model-Version", std::to_string(serving.loaded.version));
  return response;
}

ServedVersion described(const Serving& serving) {
  const model::Manifest& manifest = serving.loaded.predictor->manifest();
  return {.model = manifest.model,
          .version = serving.loaded.version,
          .run_id = manifest.run_id,
          .artefact_sha256 = manifest.artefact_sha256,
          .since = serving.since,
          .requests = serving.requests.load(std::memory_order_relaxed),
          .rows = serving.rows.load(std::memory_order_relaxed),
          .refused = serving.refused.load(std::memory_order_relaxed),
          .instead_of = serving.loaded.instead_of};
}

/// Why /invocations has no model to ask.
Response no_default(const Models& models) {
  const std::string known = fmt::format("{}", fmt::join(models.names(), ", "));
  if (models.by_name.empty())
    return refuse(503, Error(ErrorCode::Unavailable,
                             "no model is loaded; one is when a version is in Production"));
  if (models.chosen.empty())
    return refuse(409, Error(ErrorCode::Conflict,
                             fmt::format("several models are loaded: {}; ask one of them at "
                                         "/models/NAME/invocations, or set default_model in the "
                                         "target of millrace.yml",
                                         known)));
  return refuse(
      503, Error(ErrorCode::Unavailable,
                 fmt::format("the default model '{}' is not loaded{}; loaded: {}", models.chosen,
                             suggestion(models.chosen, models.names()), known)));
}

}  // namespace

struct Endpoint::State {
  Current models;
  std::mutex switching;  // one switch at a time; requests never take this one
  net::Router router;
  std::unique_ptr<net::HttpServer> server;  // the last: its threads use what stands above

  void route();
  Response ping() const;
  Response invoke_default(const Request& request) const;
  Response invoke(const Request& request, std::string_view name) const;
  Response list() const;
};

void Endpoint::State::route() {
  router.add(net::Method::Get, "/ping", [this](const Request&) { return ping(); });
  router.add(net::Method::Get, "/models", [this](const Request&) { return list(); });
  router.add(net::Method::Post, "/invocations",
             [this](const Request& request) { return invoke_default(request); });
  router.add(net::Method::Post, "/models/{name}/invocations", [this](const Request& request) {
    return invoke(request, request.path_parameter("name"));
  });
}

/// With several models and none that was chosen each can be asked by its name, so all is well.
Response Endpoint::State::ping() const {
  const std::shared_ptr<const Models> now = models.load();
  const bool ready =
      now->chosen.empty() ? !now->by_name.empty() : now->find(now->chosen) != nullptr;
  return empty_answer(ready ? 200 : 503);
}

Response Endpoint::State::invoke_default(const Request& request) const {
  const std::shared_ptr<const Models> now = models.load();  // keeps what answers alive
  const Serving* serving = now->find(now->default_name());
  return serving != nullptr ? answer(request, *serving) : no_default(*now);
}

Response Endpoint::State::invoke(const Request& request, std::string_view name) const {
  const std::shared_ptr<const Models> now = models.load();
  if (const Serving* serving = now->find(name)) return answer(request, *serving);
  return refuse(
      404, Error(ErrorCode::NotFound, fmt::format("no model '{}' is loaded{}", name.substr(0, 128),
                                                  suggestion(name.substr(0, 128), now->names()))));
}

Response Endpoint::State::list() const {
  const std::shared_ptr<const Models> now = models.load();
  Json loaded = Json::array();
  for (const auto& [name, serving] : now->by_name) loaded.push(described(*serving).to_json());
  return Response::json(
      Json::object({{"models", std::move(loaded)}, {"default_model", now->default_name()}}));
}

Json ServedVersion::to_json() const {
  Json json = Json::object({{"model", model},
                            {"version", version},
                            {"run_id", run_id},
                            {"artefact_sha256", artefact_sha256},
                            {"since", format_instant(since)},
                            {"requests", requests},
                            {"rows", rows},
                            {"refused", refused}});
  if (instead_of.has_value()) json.set("instead_of", *instead_of);
  return json;
}

Result<LoadedVersion> load_version(std::int64_t version, std::string_view artefact,
                                   model::Manifest manifest) {
  const std::string what = fmt::format("loading version {} of model '{}'", version, manifest.model);
  LoadedVersion loaded{.version = version};
  loaded.predictor = TRY_DOING(what, model::Predictor::load(artefact, std::move(manifest)));
  return loaded;
}

Endpoint::Endpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Endpoint::~Endpoint() = default;

Result<std::unique_ptr<Endpoint>> Endpoint::start(const EndpointOptions& options) {
  auto state = std::make_unique<State>();
  auto none = std::make_shared<Models>();
  none->chosen = options.default_model;
  state->models.store(std::move(none));
  state->route();
  net::ServerOptions server;
  server.listen = options.listen;
  server.threads = options.threads;
  server.body_bytes_max = options.body_bytes_max;
  State* handling = state.get();
  state->server = TRY(net::HttpServer::start(
      server, [handling](const Request& request) { return handling->router(request); }));
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(state)));
}

void Endpoint::switch_to(LoadedVersion loaded, Instant now) {
  const std::string name = loaded.predictor->manifest().model;
  auto serving = std::make_shared<Serving>();
  serving->loaded = std::move(loaded);
  serving->since = now;
  const std::lock_guard lock(state_->switching);
  auto next = std::make_shared<Models>(*state_->models.load());
  next->by_name[name] = std::move(serving);
  state_->models.store(std::move(next));
}

void Endpoint::take_out(std::string_view model) {
  const std::lock_guard lock(state_->switching);
  auto next = std::make_shared<Models>(*state_->models.load());
  if (const auto found = next->by_name.find(model); found != next->by_name.end())
    next->by_name.erase(found);
  state_->models.store(std::move(next));
}

std::vector<ServedVersion> Endpoint::served() const {
  const std::shared_ptr<const Models> now = state_->models.load();
  std::vector<ServedVersion> served;
  for (const auto& [name, serving] : now->by_name) served.push_back(described(*serving));
  return served;
}

std::uint16_t Endpoint::port() const {
  return state_->server->port();
}
std::string Endpoint::address() const {
  return state_->server->address();
}
void Endpoint::stop(std::chrono::milliseconds deadline) {
  state_->server->stop(deadline);
}

}  // namespace millrace::serve
