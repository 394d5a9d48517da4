#include "server/server.h"

#include <condition_variable>
#include <filesystem>
#include <latch>
#include <mutex>

#include <fmt/core.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "launcher/launcher_executor.h"
#include "metadata/database.h"
#include "model/model_store.h"
#include "net/http_server.h"
#include "orchestration/orchestrator.h"
#include "serve/endpoint.h"
#include "server/api.h"
#include "server/dag_reload.h"
#include "server/deployer.h"
#include "server/event_log.h"
#include "server/project_lock.h"
#include "server/run_journal.h"
#include "storage/object_store.h"
#include "tasks/hooks.h"

namespace millrace::server {
namespace {

constexpr auto kStopPatience = std::chrono::seconds(5);
// Of one that lives for a command: a person waits, and a script. A resident server waits for ever.
constexpr auto kStorePatience = std::chrono::seconds(30);

/// With fewer a server comes up and then cannot answer; one that ran for a day held 40.
constexpr rlim_t kLeastDescriptors = 64;

Status check_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kLeastDescriptors) return {};
  return Error(ErrorCode::Exhausted,
               fmt::format("a server needs at least {} open files, and this process may have {}; "
                           "raise the limit with `ulimit -n`",
                           kLeastDescriptors, limit.rlim_cur));
}

/// Begins nothing once the project's folder is elsewhere.
class HooksInPlace final : public orchestration::TaskHooks {
 public:
  HooksInPlace(tasks::Hooks& hooks, const ProjectLock& lock) : hooks_(hooks), lock_(lock) {}
  Result<orchestration::Preparation> prepare(const orchestration::TaskInstance& instance) override {
    TRY(lock_.check_place());
    return hooks_.prepare(instance);
  }
  Status complete(metadata::Transaction& transaction, const orchestration::TaskInstance& instance,
                  const Json& result) override {
    return hooks_.complete(transaction, instance, result);
  }

 private:
  tasks::Hooks& hooks_;
  const ProjectLock& lock_;
};

/// What is asked for that would write by paths; ending things is always possible.
bool needs_place(const net::Request& request) {
  const std::string last = request.path.empty() ? "" : request.path.back();
  return request.method == net::Method::Post && last != "cancel" && last != "shutdown";
}

}  // namespace

std::string socket_path(const project::Project& project) {
  return project.state + "/server.sock";
}

struct Server::State {
  project::Project project;
  ServerOptions options;
  std::unique_ptr<Clock> clock = make_system_clock();
  std::optional<ProjectLock> lock;
  std::unique_ptr<metadata::Database> database;
  std::unique_ptr<storage::ObjectStore> models;
  std::unique_ptr<orchestration::Executor> executor;
  std::unique_ptr<tasks::Hooks> hooks;
  std::unique_ptr<orchestration::TaskHooks> hooks_in_place;
  std::unique_ptr<orchestration::Orchestrator> orchestrator;
  std::unique_ptr<serve::Endpoint> endpoint;
  std::optional<Deployer> deployer;
  std::optional<DagReload> reload;
  EventLog events;
  RunJournal journal{[](LogLevel level, const std::string& words) { log(level, words); }};
  RunningProgram program;
  std::unique_ptr<net::HttpServer> api;
  std::unique_ptr<net::HttpServer> status;

  std::mutex mutex;
  std::condition_variable stop_asked;
  bool stopping = false;
  orchestration::LiveAttempts at_the_end = orchestration::LiveAttempts::End;
  bool stopped = false;
  std::latch started{1};  // or given up

  State(project::Project given, ServerOptions chosen)
      : project(std::move(given)), options(std::move(chosen)) {}

  std::string setting(const std::string& name) const;
  void ask_to_stop(orchestration::LiveAttempts attempts);
  net::Handler once_started(net::Router router);
  Status open_stores();
  Status open_endpoint();
  Status open_orchestrator();
  Status listen();
  Parts parts();
};

Parts Server::State::parts() {
  return {.project = project,
          .clock = *clock,
          .database = *database,
          .orchestrator = *orchestrator,
          .events = events,
          .endpoint = *endpoint,
          .deployer = *deployer,
          .program = program,
          .reload = *reload,
          .resident = options.resident,
          .started_at = clock->now(),
          .check_place = [this] { return lock->check_place(); },
          .status_address = [this] { return status == nullptr ? "" : status->address(); },
          .request_stop = [this](orchestration::LiveAttempts attempts) { ask_to_stop(attempts); }};
}

/// Who asks first says what becomes of the attempts.
void Server::State::ask_to_stop(orchestration::LiveAttempts attempts) {
  {
    const std::lock_guard guard(mutex);
    if (!std::exchange(stopping, true)) at_the_end = attempts;
  }
  stop_asked.notify_all();
}

Status Server::State::open_stores() {
  TRY(make_folders_in(project.root, project.state));
  lock.emplace(TRY(ProjectLock::take(project.state, format_instant(clock->now()))));
  auto opened = metadata::open_sqlite(project.target.metadata);
  if (!opened.ok() && opened.error().code() == ErrorCode::Corruption)
    return Error(ErrorCode::Corruption,
                 fmt::format("the metadata store: {}; put a backup of it back, or move it away and "
                             "run again: tables stay as they are, models are registered anew",
                             opened.error().message()));
  database = TRY_DOING("the metadata store", std::move(opened));
  TRY(model::migrate_model_store(*database));
  models = TRY(storage::open_local_store(project.target.models));
  return {};
}

std::string Server::State::setting(const std::string& name) const {
  return fmt::format("'{}' of the target '{}' in millrace.yml", name, project.target.name);
}

Status Server::State::open_endpoint() {
  serve::EndpointOptions chosen;
  chosen.listen = options.resident
                      ? net::Listen::tcp(project.target.endpoint_host, project.target.endpoint_port)
                      : net::Listen::unix_socket(project.state + "/endpoint.sock");
  chosen.default_model = project.target.default_model;
  endpoint = TRY_DOING(setting("endpoint"), serve::Endpoint::start(chosen));
  deployer.emplace(*database, *models, *endpoint, *clock);
  return {};
}

Status Server::State::open_orchestrator() {
  std::error_code error;
  const std::string folder = std::filesystem::canonical(project.state, error).string();
  if (error) return file_error(error.value(), project.state);
  std::vector<std::string> launcher = options.launcher_command;
  launcher.insert(launcher.end(), {"--state", folder});
  executor = TRY(launcher::LauncherExecutor::make(
      {.state = folder, .launcher = std::move(launcher), .program = options.attempt_command}));
  hooks = TRY(tasks::Hooks::open({project, *database, *models, *clock}, socket_path(project)));
  hooks_in_place = std::make_unique<HooksInPlace>(*hooks, *lock);
  orchestration::OrchestratorOptions chosen;
  chosen.scheduler.parallelism = options.idle ? 0 : project.target.parallelism;
  chosen.scheduler.pools = project.target.pools;
  chosen.scheduler.follow_schedules = options.resident;
  if (!options.resident) chosen.store_patience = kStorePatience;
  orchestrator =
      TRY(orchestration::Orchestrator::open(*database, *clock, *executor, *hooks_in_place, chosen));
  for (const project::Pipeline& pipeline : project.pipelines)
    TRY_DOING(pipeline.place.str(), orchestrator->add_dag(pipeline.dag));
  reload.emplace(project, *orchestrator);
  orchestrator->subscribe([this](const orchestration::Notice& notice) {
    events.add(notice);
    if (options.resident) journal.hear(notice);
  });
  return {};
}

/// The socket is there before the scheduler starts, since attempts call it; who calls earlier waits.
net::Handler Server::State::once_started(net::Router router) {
  return [this, router = std::move(router)](const net::Request& request) {
    started.wait();
    if (needs_place(request))
      if (const Status place = lock->check_place(); !place.ok())
        return net::Response::error(place.error());
    return router(request);
  };
}

Status Server::State::listen() {
  const Parts all = parts();
  deployer->deploy_all();
  net::ServerOptions local;
  local.listen = net::Listen::unix_socket(socket_path(project));
  local.threads = 32;  // each watcher of a run holds one while it waits; EventLog lets 24 wait
  api = TRY_DOING("the API's socket", net::HttpServer::start(local, once_started(make_api(all))));
  if (!options.resident) return {};
  net::ServerOptions tcp;
  tcp.listen = net::Listen::tcp(project.target.status_host, project.target.status_port);
  status =
      TRY_DOING(setting("status"), net::HttpServer::start(tcp, once_started(make_status_api(all))));
  return {};
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Server>> Server::start(project::Project project, ServerOptions options) {
  std::unique_ptr<Server> server(
      new Server(std::make_unique<State>(std::move(project), std::move(options))));
  State& state = *server->state_;
  TRY(check_descriptors());
  TRY(state.open_stores());
  TRY(state.open_endpoint());
  TRY(state.open_orchestrator());
  Status ready = state.listen();
  if (ready.ok()) ready = state.orchestrator->start();
  state.started.count_down();
  TRY(std::move(ready));
  state.lock->note_that_it_has_started();
  if (state.options.resident) state.reload->follow();
  return server;
}

Server::~Server() {
  stop();
}

void Server::wait() {
  std::unique_lock lock(state_->mutex);
  state_->stop_asked.wait(lock, [&] { return state_->stopping; });
}

void Server::request_stop() {
  state_->ask_to_stop(state_->options.idle ? orchestration::LiveAttempts::Keep
                                           : orchestration::LiveAttempts::End);
}

void Server::stop() {
  State& state = *state_;
  if (std::exchange(state.stopped, true)) return;
  request_stop();
  if (state.reload) state.reload->request_stop();
  state.events.close();
  if (state.orchestrator != nullptr) state.orchestrator->stop(state.at_the_end);
  if (state.reload) state.reload->stop();  // it may have waited for the orchestrator's store
  if (state.status != nullptr) state.status->stop(kStopPatience);
  if (state.endpoint != nullptr) state.endpoint->stop(kStopPatience);
  // Last: whoever waits for the end of this server watches its socket.
  if (state.api != nullptr) state.api->stop(kStopPatience);
}

std::string Server::endpoint_address() const {
  return state_->endpoint->address();
}

std::string Server::status_address() const {
  return state_->status == nullptr ? "" : state_->status->address();
}

}  // namespace millrace::server
