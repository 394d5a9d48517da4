#pragma once

// Registered models answering requests, by SageMaker's contract for a model's container.
//
//   GET  /ping                       200 when a model can be asked, else 503
//   POST /invocations                scores rows with the default model
//   POST /models/{name}/invocations  scores rows with that model
//   GET  /models                     what is loaded, as JSON
//
// Rows come as text/csv or application/json (scoring.h), scores go back as the Accept header says,
// or as the rows came. X-Millrace-Model and X-Millrace-Model-Version say which version answered.
// Statuses as the container's: 204 an empty body, 400 rows that do not fit the model (row and
// column named) or text that is not of the type it claims, 406 an Accept that we cannot serve, 413 a
// larger body than allowed, 415 another media type, or another character set than UTF-8; beyond it
// 404 a model that is not loaded by that name, 409 several models of which none is the default, 503
// no model, or the default model is not loaded, and 503 with Retry-After when large bodies of others
// fill the memory for them.
//
// The default model is the one that is set, or else the only one that is loaded: never one that
// happened to be loaded first, since a restart would then answer with another.
//
// A switch changes one pointer: a request is answered wholly by the version that was loaded when it
// began, and none waits or fails because of a switch.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "model/manifest.h"
#include "model/predictor.h"
#include "net/http_server.h"

namespace millrace::serve {

struct EndpointOptions {
  net::Listen listen;
  int threads = 2;
  std::uint64_t body_bytes_max = 6U << 20U;  // as SageMaker's real-time endpoints
  /// Which model answers /invocations, and makes /ping answer 200. Empty: the only one.
  std::string default_model;
};

/// A version that can answer: its bytes are whole and its golden rows score as they must.
struct LoadedVersion {
  std::int64_t version = 0;
  std::shared_ptr<const model::Predictor> predictor;
  /// The version in Production, when that one could not be loaded and this one answers for it.
  std::optional<std::int64_t> instead_of;
};

/// Errors: those of Predictor::load, with version and model.
Result<LoadedVersion> load_version(std::int64_t version, std::string_view artefact,
                                   model::Manifest manifest);

/// What answers under a model's name now.
struct ServedVersion {
  std::string model;
  std::int64_t version = 0;
  std::string run_id;
  std::string artefact_sha256;
  Instant since;
  std::uint64_t requests = 0;  // answered with scores
  std::uint64_t rows = 0;
  std::uint64_t refused = 0;  // answered with 4xx
  std::optional<std::int64_t> instead_of;

  Json to_json() const;
};

class Endpoint {
 public:
  /// Begins to listen; without a model /ping answers 503. Errors: those of HttpServer::start.
  static Result<std::unique_ptr<Endpoint>> start(const EndpointOptions& options);
  ~Endpoint();

  /// Lets the version answer under its manifest's model name. `now` is for the status. Safe from any
  /// thread.
  void switch_to(LoadedVersion loaded, Instant now);

  /// Lets nothing answer under that name any more; what has begun is answered. As safe.
  void take_out(std::string_view model);

  /// By model name.
  std::vector<ServedVersion> served() const;

  std::uint16_t port() const;
  std::string address() const;
  /// Answers what has begun, then closes.
  void stop(std::chrono::milliseconds deadline);

 private:
  struct State;
  explicit Endpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::serve
