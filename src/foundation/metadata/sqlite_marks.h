#pragma once

// The marks by which a SQLite file of ours is known (docs/formats/metadata.md).

#include "metadata/sqlite_connection.h"

namespace millrace::metadata {

/// False in a file without any table: a new one. Errors: Unsupported for a file of another program, or
/// of a newer Millrace.
Result<bool> has_marks(SqliteConnection& connection);

/// In a file that has none.
Status make_marks(SqliteConnection& connection);

}  // namespace millrace::metadata
