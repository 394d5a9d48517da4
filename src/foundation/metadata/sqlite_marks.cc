#include "metadata/sqlite_marks.h"

#include <fmt/core.h>

namespace millrace::metadata {
namespace {

constexpr std::int64_t kApplicationId = 0x4D6C7263;  // "Mlrc"
constexpr std::int64_t kFormatVersion = 1;

}  // namespace

Result<bool> has_marks(SqliteConnection& connection) {
  const std::int64_t application = TRY(connection.execute("PRAGMA application_id")).integer(0, 0);
  const std::int64_t version = TRY(connection.execute("PRAGMA user_version")).integer(0, 0);
  const std::int64_t tables =
      TRY(connection.execute("SELECT count(*) FROM sqlite_schema")).integer(0, 0);
  if (application == 0 && tables == 0) return false;
  if (application != kApplicationId)
    return Error(ErrorCode::Unsupported, "the database of another program");
  if (version > kFormatVersion)
    return Error(ErrorCode::Unsupported,
                 fmt::format("made by a newer Millrace (format {}; this one reads up to {})",
                             version, kFormatVersion));
  return true;
}

Status make_marks(SqliteConnection& connection) {
  TRY(connection.execute(fmt::format("PRAGMA application_id={}", kApplicationId)));
  TRY(connection.execute(fmt::format("PRAGMA user_version={}", kFormatVersion)));
  TRY(connection.execute(
      "CREATE TABLE metadata_migrations (room TEXT NOT NULL, number INTEGER NOT NULL, "
      "digest TEXT NOT NULL, applied_at INTEGER NOT NULL DEFAULT (unixepoch() * 1000000), "
      "PRIMARY KEY (room, number)) STRICT"));
  return {};
}

}  // namespace millrace::metadata
