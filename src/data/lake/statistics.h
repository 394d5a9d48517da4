#pragma once

// What a log knows of a file's rows: how many, and per column the extremes and the nulls.
//
// Source: delta-io/delta PROTOCOL.md, "Per-file Statistics".

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "columnar/schema.h"
#include "engine/engine.h"
#include "lake/actions.h"

namespace millrace::lake {

/// The statistics of an `add`, read. Text that is no JSON object reads as no statistics: they are a
/// help, and a reader can do without.
class FileStatistics {
 public:
  static FileStatistics parse(std::string_view text);

  std::optional<std::int64_t> row_count() const;
  /// Of a column of the table (not of a struct's field); null or nothing when unknown.
  const Json& min(std::string_view column) const { return json_["minValues"][column]; }
  const Json& max(std::string_view column) const { return json_["maxValues"][column]; }
  std::optional<std::int64_t> null_count(std::string_view column) const;

 private:
  Json json_;
};

/// How many columns get extremes and counts: Delta's own default,
/// `delta.dataSkippingNumIndexedCols`.
constexpr int kIndexedColumns = 32;

/// The statistics of a file that the engine wrote, for the first `indexed_columns` leaves of the
/// columns that are in the file (-1: all):
///   text     cut to 32 characters; the maximum is then made greater, so that both stay bounds
///   moments  in whole milliseconds, the maximum rounded up
///   none     for booleans, binary, lists and maps, and extremes of floats that hold NaN
std::string statistics_json(const engine::WrittenFile& file, const columnar::Schema& schema,
                            const std::vector<std::string>& partition_columns,
                            int indexed_columns = kIndexedColumns);

/// At most `characters` characters, and not greater than `text`, which is UTF-8.
std::string cut_below(std::string_view text, std::size_t characters);
/// At most `characters` characters, and not less than `text`; nothing when there is no such text.
std::optional<std::string> cut_above(std::string_view text, std::size_t characters);

}  // namespace millrace::lake
