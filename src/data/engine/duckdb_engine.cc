// DuckDB in this process: its settings, and the sessions that share it.

#include <algorithm>
#include <atomic>

#include <fmt/core.h>

#include "engine/duckdb_connection.h"
#include "engine/duckdb_error.h"
#include "engine/duckdb_session.h"
#include "engine/memory_limit.h"
#include "engine/spill_folder.h"

namespace millrace::engine {

namespace {

constexpr std::uint64_t kLeastMemory = 32ULL << 20U;
constexpr int kMostThreads = 1024;

using Setting = std::pair<std::string, std::string>;

std::vector<Setting> settings_for(const Limits& limits, const std::string& spill) {
  std::uint64_t memory =
      limits.memory_bytes > 0 ? limits.memory_bytes : memory_of_machine() / 4 * 3;
  std::vector<Setting> settings = {
      {"memory_limit", fmt::format("{}B", memory)},
      {"temp_directory", spill},
      // The embedded engine is what it was linked from: nothing is fetched or loaded behind the
      // user's back.
      {"autoload_known_extensions", "false"},
      {"autoinstall_known_extensions", "false"},
      {"allow_community_extensions", "false"},
      // Stays on, because a scan of the lake is a read_parquet like any other, and its paths are
      // not known when the database is opened.
      {"enable_external_access", "true"},
      // What a statement orders, it keeps; LIMIT without ORDER BY gives the same rows each time.
      {"preserve_insertion_order", "true"},
  };
  if (limits.threads > 0) settings.emplace_back("threads", std::to_string(limits.threads));
  return settings;
}

Status check_limits(const Limits& limits) {
  if (limits.threads < 0 || limits.threads > kMostThreads) {
    return Error(ErrorCode::Invalid, fmt::format("the engine's threads are 0 (all) to {}, not {}",
                                                 kMostThreads, limits.threads));
  }
  if (limits.memory_bytes > 0 && limits.memory_bytes < kLeastMemory) {
    return Error(ErrorCode::Invalid,
                 fmt::format("the engine needs at least {} MiB of memory, not {} bytes",
                             kLeastMemory >> 20U, limits.memory_bytes));
  }
  return {};
}

/// Sessions may outlive their engine; the spill folder lives as long as the last of them.
struct OpenDatabase {
  std::optional<SpillFolder> spill;
  Database database;
};

class DuckdbEngine final : public Engine {
 public:
  DuckdbEngine(std::shared_ptr<const Database> database, bool progress)
      : database_(std::move(database)), progress_(progress) {}

  Result<std::unique_ptr<Session>> open_session() override {
    return DuckdbSession::open(database_, fmt::format("millrace_session_{}", ++sessions_),
                               progress_);
  }

  std::string version() const override {
    std::string_view version = duckdb_library_version();
    return fmt::format("duckdb {}", version.substr(version.starts_with('v') ? 1 : 0));
  }

 private:
  std::shared_ptr<const Database> database_;
  bool progress_;
  std::atomic<std::uint64_t> sessions_ = 0;
};

}  // namespace

Result<std::unique_ptr<Engine>> open_duckdb(const Limits& limits) {
  TRY(check_limits(limits));
  auto open = std::make_shared<OpenDatabase>();
  if (!limits.spill_folder.empty()) {
    open->spill.emplace(
        TRY_DOING("making the engine's spill folder", SpillFolder::take(limits.spill_folder)));
  }
  Config config;
  if (duckdb_create_config(config.out()) != DuckDBSuccess) {
    return Error(ErrorCode::Unavailable, "DuckDB has no memory for its settings");
  }
  for (const auto& [name, value] : settings_for(limits, open->spill ? open->spill->path() : "")) {
    if (duckdb_set_config(config.get(), name.c_str(), value.c_str()) != DuckDBSuccess) {
      return Error(ErrorCode::Invalid, fmt::format("DuckDB refuses {} = '{}'", name, value));
    }
  }
  char* error = nullptr;
  if (duckdb_open_ext(":memory:", open->database.out(), config.get(), &error) != DuckDBSuccess) {
    return duckdb_failure(take_text(error)).while_doing("opening DuckDB");
  }
  Connection connection = TRY(Connection::open(open->database.get()));
  TRY(connection.run("SET GLOBAL TimeZone = 'UTC'"));
  return std::unique_ptr<Engine>(std::make_unique<DuckdbEngine>(
      std::shared_ptr<const Database>(open, &open->database), limits.progress));
}

}  // namespace millrace::engine
