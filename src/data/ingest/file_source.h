#pragma once

// Delivered files in a folder.
//
// When a file was delivered:
//   with {date} in the pattern   the file of day D is complete at the end of D in `zone`: its
//                                delivered_at is the last microsecond of D. A run sees it when its
//                                logical date is the next midnight or later.
//   without                      at `delivered`, or when that is not given, when the file was last
//                                modified (which a copy changes: declare the moment where runs
//                                must repeat).
//
// Rows may carry their own moment of delivery (`delivered_at_column`); it must lie in the day of
// their file, otherwise a run of the past would see rows that it could not have seen then, and the
// row is rejected.
//
// A name that fits the pattern and is no file (a symbolic link, which is never followed, a pipe) and
// one that nearly fits it (orders-2013-13-03) are passed over, and named by passed_over().
//
// In a zone other than UTC a TIMESTAMP WITH TIME ZONE without an offset is a bad row (cell.h).
//
// Each format is read plain or as gzip, told by the bytes. The fate of bad input is in land.h.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "ingest/csv.h"
#include "ingest/json_lines.h"
#include "ingest/source.h"
#include "storage/object_store.h"

namespace millrace::ingest {

enum class FileFormat : std::uint8_t { JsonLines, Csv };

struct FileSourceSpec {
  std::string name;     // letters, digits, '_', '-', '.'; part of the marks in the lake
  std::string pattern;  // FilePattern, relative to the store's root
  FileFormat format = FileFormat::JsonLines;
  TimeZone zone = TimeZone::utc();
  std::optional<Instant> delivered;  // of files without {date}
  columnar::Schema columns;          // cell.h says how each type is read
  std::string delivered_at_column;   // a required TIMESTAMP WITH TIME ZONE column, or ""
  UnknownMembers unknown = UnknownMembers::Count;  // JSON lines
  char delimiter = ',';                            // CSV
  std::vector<std::string> null_texts = {""};      // CSV
  std::size_t max_line_bytes = 1 << 20;  // of a line or a CSV record; a longer row is rejected
};

/// Rows of files that were delivered before `before` are those whose delivered_at lies before this:
/// a row that says its own moment came no earlier than its file, at the end of the file's day. (Of
/// files without {date} and `delivered` nothing is known but when they were last written: `before`.)
Instant rows_before(const FileSourceSpec& spec, Instant before);

/// `store` must outlive the source and be safe to read from several threads. Errors: Invalid,
/// Unsupported: what in `spec` cannot be.
Result<std::unique_ptr<Source>> open_file_source(FileSourceSpec spec, storage::ObjectStore& store);

}  // namespace millrace::ingest
