// Appends ten rows to a Delta table again and again, as a task does.
//
// usage: bench_appends FOLDER TIMES

#include <charconv>
#include <cstdio>
#include <string_view>

#include <fmt/core.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "lake/lake.h"
#include "storage/object_store.h"

namespace millrace {
namespace {

Status append(const std::string& folder, int times) {
  const std::unique_ptr<storage::ObjectStore> store = TRY(storage::open_local_store(folder));
  const std::unique_ptr<engine::Engine> engine = TRY(engine::open_duckdb({.threads = 1}));
  const std::unique_ptr<Clock> clock = make_system_clock();
  const std::unique_ptr<engine::Session> session = TRY(engine->open_session());
  lake::Lake lake(*store, *engine, *clock);
  const lake::TableName table = TRY(lake::TableName::parse("raw.rows"));
  for (int i = 0; i < times; ++i) {
    const std::string rows =
        fmt::format("SELECT i::BIGINT AS id, {}::DOUBLE AS value FROM range({}, {}) t(i)", i,
                    10 * i, 10 * (i + 1));
    TRY(lake.write(*session, table, rows, {}));
  }
  const lake::SnapshotPtr snapshot = TRY(lake.snapshot(table));
  if (snapshot->row_count() != std::int64_t{10} * times)
    return Error(ErrorCode::Internal, "rows are missing");
  return {};
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  int times = 0;
  const std::string_view asked = argc == 3 ? argv[2] : "";
  if (std::from_chars(asked.data(), asked.data() + asked.size(), times).ec != std::errc() ||
      times < 1) {
    std::fputs("usage: bench_appends FOLDER TIMES\n", stderr);
    return 2;
  }
  const millrace::Status done = millrace::append(argv[1], times);
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().message().c_str());
  return done.ok() ? 0 : 1;
}
