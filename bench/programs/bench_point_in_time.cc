// Joins labels to feature versions point in time, from Parquet to Parquet.
//
// usage: bench_point_in_time FOLDER MEMORY_BYTES    labels.parquet, features.parquet -> joined.parquet

#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/core.h>

#include "engine/engine.h"
#include "features/point_in_time.h"

namespace millrace {
namespace {

constexpr const char* kDefinitions = R"({
  "entities": [{"name": "user", "join_keys": ["user_id"]}],
  "feature_views": [{"name": "activity", "entities": ["user"], "source": "versions",
                     "timestamp_field": "event_timestamp", "created_timestamp_column": "created", "ttl": "7d",
                     "features": ["clicks_7d", "ctr_7d", "last_category", "spend_30d"]}],
  "training_sets": [{"name": "rows", "labels": "labels", "key": ["label_id"], "timestamp": "event_timestamp",
                     "label": "label", "entity_columns": [{"name": "user_id", "known_at": "event_timestamp"}],
                     "features": ["activity:clicks_7d", "activity:ctr_7d", "activity:last_category",
                                  "activity:spend_30d"]}]})";

Status join(const std::string& folder, std::uint64_t memory) {
  const std::unique_ptr<engine::Engine> engine = TRY(engine::open_duckdb(
      {.threads = 2, .memory_bytes = memory, .spill_folder = folder + "/spill"}));
  const std::unique_ptr<engine::Session> session = TRY(engine->open_session());
  TRY(session->execute(
      fmt::format("CREATE VIEW labels AS SELECT * FROM read_parquet('{0}/labels.parquet');"
                  "CREATE VIEW versions AS SELECT * FROM read_parquet('{0}/features.parquet')",
                  folder)));
  features::Definitions definitions;
  std::vector<Error> mistakes;
  features::read_definitions(TRY(Json::parse(kDefinitions)), definitions, mistakes);
  features::resolve(definitions, mistakes);
  if (!mistakes.empty()) return mistakes.front();
  const features::PointInTimeJoin joined = TRY(
      features::PointInTimeJoin::bind(*session, definitions.training_sets[0], definitions.views));
  TRY(session->execute(
      fmt::format("COPY ({}) TO '{}/joined.parquet' (FORMAT parquet)", joined.select(), folder)));
  return {};
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  const std::uint64_t memory = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
  if (memory == 0) {
    std::fputs("usage: bench_point_in_time FOLDER MEMORY_BYTES\n", stderr);
    return 2;
  }
  const millrace::Status done = millrace::join(argv[1], memory);
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().message().c_str());
  return done.ok() ? 0 : 1;
}
