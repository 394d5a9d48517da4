#pragma once

// What a write does to a table, decided before and after its rows are computed. Pure: no store, no
// engine, no clock.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "columnar/schema.h"
#include "engine/engine.h"
#include "lake/commit.h"
#include "lake/snapshot.h"
#include "lake/write_spec.h"

namespace millrace::lake {

/// Errors: Invalid names a column that a Delta table cannot have (an empty name, one of the
/// characters " ,;{}()=" or a line break, two names that differ in case only, none but partition
/// columns), or a partition column that is missing, nested or binary.
Status check_new_table(const columnar::Schema& schema,
                       const std::vector<std::string>& partition_by);

/// Where in a column's name the first character stands that no Delta table has in one; npos: nowhere.
std::size_t forbidden_in_name(std::string_view column);

/// The table's part of a write: its columns and whether they change.
struct TablePlan {
  columnar::Schema schema;                     // of the table after the write
  std::vector<std::string> partition_columns;  // as the schema spells them
  std::optional<Metadata> metadata;            // to be written, where the table is new or changes
  std::optional<Protocol> protocol;            // likewise
};

/// `base` is null for a new table; `rows` are the columns of what is to be written. Errors: those
/// of check_new_table and check_writable; Invalid names columns that do not fit the table's;
/// Unsupported (the table refuses that rows are removed).
Result<TablePlan> plan_table(const Snapshot* base, const columnar::Schema& rows,
                             const WriteSpec& spec, std::int64_t now_ms);

/// Metadata of a new table with a new id.
Metadata new_metadata(const columnar::Schema& schema, std::vector<std::string> partition_columns,
                      std::map<std::string, std::string> properties, std::int64_t now_ms);

/// A SELECT that gives exactly the plan's columns, in their order and types. `select` itself where
/// it does so already. Errors: Invalid.
Result<std::string> select_for(const TablePlan& plan, const columnar::Schema& rows,
                               std::string_view select);

/// Whether values of one type can be kept in the other without loss: the same type, or a wider one.
bool fits(const columnar::DataType& from, const columnar::DataType& into);

/// "column 'late' is BOOLEAN in the table and INTEGER in the rows": the first column that the rows and
/// the table share and that the table cannot keep; "" where all fit.
std::string misfit(const columnar::Schema& table, const columnar::Schema& rows);

/// A file that was written, with the hash of its bytes.
struct HashedFile {
  engine::WrittenFile file;
  std::string sha256;
};

/// Which partitions of a table a write leaves as they are, by WriteSpec::rank.
class HigherRanks {
 public:
  /// None where `base` is null, and none where the write asks for no comparison.
  HigherRanks(const Snapshot* base, const WriteSpec& spec);
  /// The rank of the rows that the partition of `file` holds, if it is higher than the write's.
  std::optional<std::int64_t> above(const engine::WrittenFile& file) const;

 private:
  const Snapshot* base_;
  std::map<PartitionKey, std::int64_t> ranks_;
};

/// Errors: DataQuality (null in a column that may not be), Invalid (an empty text as partition
/// value, which the log cannot tell from null).
Status check_files(const TablePlan& plan, const std::vector<HashedFile>& files);

/// All but the base's version and the fence. Errors: none but Corruption of the base's own log.
Proposal propose(const TableName& table, const Snapshot* base, const TablePlan& plan,
                 const std::vector<HashedFile>& files, const WriteSpec& spec, std::int64_t now_ms);

}  // namespace millrace::lake
