#pragma once

// A small real project in a folder of its own, and a server without processes: what Hooks and
// run_attempt do in two processes happens here in one.
//
// The café sells 20 cups a day, from 1 to 20 January 2013. `late` says whether a customer had to
// wait; the number of cups that he orders tells much of it.

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "metadata/database.h"
#include "model/model_store.h"
#include "orchestration/run.h"
#include "project/project.h"
#include "project/project_folder_fixture.h"
#include "tasks/check_project.h"
#include "tasks/hooks.h"
#include "tasks/run_attempt.h"

namespace millrace::tasks {

class ProjectTest : public project::ProjectFolder {
 protected:
  static constexpr const char* kSource = R"(
name: cafe
schema: raw
timezone: UTC
tables:
  - name: orders
    pattern: orders-{date}.jsonl
    delivered_at: delivered_at
    event_time: placed_at
    columns:
      - {name: id, type: BIGINT, not_null: true}
      - {name: cups, type: INTEGER, not_null: true}
      - {name: rain, type: DOUBLE}
      - {name: late, type: BOOLEAN, not_null: true}
      - {name: placed_at, type: TIMESTAMP WITH TIME ZONE, not_null: true}
      - {name: served_at, type: TIMESTAMP WITH TIME ZONE, not_null: true}
      - {name: delivered_at, type: TIMESTAMP WITH TIME ZONE, not_null: true}
)";
  static constexpr const char* kLabels = R"(
select id, placed_at, served_at, placed_at as scored_at, cups, rain, late,
       case when placed_at >= cast('{{ var('logical_date') }}' as timestamptz) - interval 5 days
            then 'holdout' else 'training' end as part
from {{ source('cafe', 'orders') }}
)";
  static constexpr const char* kTrainingSet = R"(
training_sets:
  - name: orders
    labels: labels
    key: [id]
    timestamp: scored_at
    label: late
    split: part
    request_columns:
      - {name: cups, known_at: placed_at}
      - {name: rain, known_at: placed_at}
)";
  static constexpr const char* kPipeline = R"(
schedule: "@daily"
params: {set: orders}
tasks:
  - {id: land, kind: land, source: cafe.orders}
  - {id: training_data, kind: training_data, upstream: [land], training_set: "{{ var('set') }}"}
  - {id: leak_check, kind: leak_check, upstream: [training_data], sample: 5}
  - id: train
    kind: train
    upstream: [training_data]
    model: waiting
    rounds: 20
    early_stopping: {metric: logloss, rounds: 5}
    validate_on_last: {time_column: scored_at, fraction: 0.2}
    parameters: {max_depth: 3}
  - {id: evaluate, kind: evaluate, upstream: [training_data, train, leak_check], gate: ["auc > 0.6"]}
)";

  void SetUp() override {
    write("millrace.yml", "name: cafe\ntargets:\n  dev: {threads: 1, memory: 500MB}\n");
    write("sources/cafe.yml", kSource);
    write("models/labels.sql", kLabels);
    write("features/orders.yml", kTrainingSet);
    write("pipelines/daily.yml", kPipeline);
    for (int day = 1; day <= 20; ++day) write(delivery(day), orders_of(day));
    std::filesystem::create_directories(path(".millrace"));
    database_ = *metadata::open_sqlite(path(".millrace/metadata.db"));
    ASSERT_TRUE(model::migrate_model_store(*database_).ok());
  }

  static std::string delivery(int day) {
    return fmt::format("deliveries/orders-2013-01-{:02}.jsonl", day);
  }
  static std::string orders_of(int day) {
    std::string lines;
    for (int i = 0; i < 20; ++i) {
      const int id = day * 100 + i;
      const int cups = id * 7 % 10;
      const int noise = id * 31 % 17;
      lines += fmt::format(
          R"({{"id":{0},"cups":{1},"rain":{2}.5,"late":{3},"placed_at":"2013-01-{4:02}T{5:02}:00:00Z",)"
          R"("served_at":"2013-01-{4:02}T{5:02}:30:00Z","delivered_at":"2013-01-{4:02}T23:00:00Z"}})"
          "\n",
          id, cups, id * 13 % 7, 2 * cups + noise > 17 ? "true" : "false", day, i);
    }
    return lines;
  }

  /// What the attempt's server and its executor would do. The results of the tasks before it are
  /// those of this test's last calls for the same date.
  Result<Json> run(const std::string& task, const std::string& date = "2013-01-21",
                   const std::function<void(orchestration::TaskInstance&)>& set_up = {}) {
    project_.emplace(TRY(project::whole(TRY(project::load_project(root(), "")))));
    const ServerSide server{*project_, *database_, *models(), *clock_};
    const auto hooks = TRY(Hooks::open(server, ""));
    orchestration::TaskInstance instance = TRY(instance_of(task, date));
    if (set_up) set_up(instance);
    const auto prepared = TRY(hooks->prepare(instance));
    log_.clear();
    progress_.clear();
    Json result = TRY(run_attempt(TRY(Request::from_json(prepared.document)), reporting()));
    TRY(database_->write([&](metadata::Transaction& transaction) {
      return hooks->complete(transaction, instance, result);
    }));
    results_[date].set(task, result);
    return result;
  }

  /// What `--clear` does to the result of a task.
  void forget(const std::string& task, const std::string& date = "2013-01-21") {
    const ServerSide server{*project_, *database_, *models(), *clock_};
    const auto hooks = *Hooks::open(server, "");
    const auto instance = *instance_of(task, date);
    const Status done = database_->write([&](metadata::Transaction& transaction) {
      return hooks->forget(transaction, instance.run.key, instance.task.id);
    });
    ASSERT_TRUE(done.ok()) << done.error().message();
  }

  /// All of the pipeline's tasks; the result of the last one.
  Result<Json> run_all(const std::string& date = "2013-01-21") {
    Json last;
    const auto loaded = TRY(project::whole(TRY(project::load_project(root(), ""))));
    for (const auto& task : loaded.pipelines.at(0).dag.tasks) last = TRY_DOING(task.id.str(), run(task.id.str(), date));
    return last;
  }

  /// The problems that `millrace check` finds, each with its place.
  std::vector<std::string> problems() const {
    auto loaded = *project::load_project(root(), "");
    EXPECT_TRUE(check_project(loaded).ok());
    return texts(loaded.problems);
  }

  /// What it warns of, where there are no problems.
  std::vector<std::string> warnings() const {
    auto loaded = *project::load_project(root(), "");
    EXPECT_TRUE(check_project(loaded).ok());
    EXPECT_EQ(texts(loaded.problems), std::vector<std::string>());
    return texts(loaded.warnings);
  }

  model::ModelVersion version(std::int64_t number) {
    model::ModelVersion found;
    const Status read = database_->read([&](metadata::Transaction& transaction) -> Status {
      found = TRY(model::get_version(transaction, "waiting", number));
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.error().message();
    return found;
  }
  model::Manifest manifest(std::int64_t number) {
    return model::get_model(*models(), "waiting", version(number).content_id)->manifest;
  }

  std::vector<std::string> log_;       // of the last run
  std::vector<std::string> progress_;  // likewise
  std::function<Status()> fence_ = [] { return Status(); };

 private:
  storage::ObjectStore* models() {
    if (models_ == nullptr) models_ = *storage::open_local_store(path(".millrace/models"));
    return models_.get();
  }

  Reporting reporting() {
    return {.log = [this](std::string_view text) { log_.emplace_back(text); },
            .progress = [this](double, std::string_view text) { progress_.emplace_back(text); },
            .metrics = [](const Json&) {},
            .fence = [this] { return fence_(); },
            .stop = {}};
  }

  Result<orchestration::TaskInstance> instance_of(const std::string& task,
                                                  const std::string& date) {
    const auto dag = TRY(orchestration::Dag::make(project_->pipelines.at(0).dag));
    orchestration::TaskInstance instance;
    instance.run = TRY(orchestration::plan_run(*dag, TRY(parse_instant(date)), Json::object(),
                                               orchestration::RunReason::Manual));
    instance.task = dag->task(dag->find(orchestration::TaskId(task)).value());
    instance.attempt = {instance.run.key, instance.task.id, ++epoch_};
    for (const orchestration::TaskId& upstream : instance.task.upstream)
      if (const Json* result = results_[date].find(upstream.str()))
        instance.upstream_results.set(upstream.str(), *result);
    return instance;
  }

  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<metadata::Database> database_;
  std::unique_ptr<storage::ObjectStore> models_;
  std::optional<project::Project> project_;
  std::map<std::string, Json> results_;  // by date, then by task
  int epoch_ = 0;
};

}  // namespace millrace::tasks
