#pragma once

// A Session by DuckDB. Each session has two catalogs of its own (attached in-memory databases), so
// that sessions of one engine share memory and threads but no names:
//   its data    the relations as they were defined
//   its stubs   the same names: an empty table for each scan and each loaded table, and each view.
//               bind() looks here first, so that a plan says "raw.flights" and not which files it
//               is made of, and binding a thousand files costs nothing.

#include <memory>
#include <string>

#include "engine/duckdb_connection.h"
#include "engine/engine.h"
#include "sql/names.h"

namespace millrace::engine {

class DuckdbSession final : public Session {
 public:
  /// `catalog`: a name that no other session of this database has. `progress`: as in Limits.
  static Result<std::unique_ptr<Session>> open(std::shared_ptr<const Database> database,
                                               std::string catalog, bool progress);
  ~DuckdbSession() override;

  Status execute(std::string_view sql) override;
  Result<std::unique_ptr<columnar::BatchReader>> query(std::string_view sql,
                                                       std::span<const Json> parameters) override;
  Status define_scan(const RelationName& name, const TableScan& scan) override;
  Status define_view(const RelationName& name, std::string_view select) override;
  Result<std::int64_t> load(const RelationName& name, columnar::BatchReader& rows) override;
  Status drop(const RelationName& name) override;
  Result<std::vector<WrittenFile>> write_parquet(std::string_view select,
                                                 const ParquetWrite& write) override;
  Result<BoundStatement> bind(std::string_view sql) override;
  Result<Json> parse(std::string_view select) override;
  Result<std::string> unparse(const Json& tree) override;
  Result<std::string> explain(std::string_view sql, Plan plan) override;
  std::optional<double> progress() const override;
  void cancel() override;

 private:
  DuckdbSession(std::shared_ptr<const Database> database, Connection connection,
                std::string catalog)
      : database_(std::move(database)),
        connection_(std::move(connection)),
        catalog_(std::move(catalog)),
        stubs_(catalog_ + "_stubs") {}

  /// A partition of the rows that are kept in order: where they stand.
  struct PartitionRun {
    std::vector<std::pair<std::string, std::optional<std::string>>> values;  // by column
    std::int64_t first = 0;
    std::int64_t count = 0;
  };

  Status prepare_catalogs();
  Status watch_progress();
  Status drop_from(const std::string& catalog, const sql::TableName& table);
  static std::string in_catalog(const std::string& catalog, const sql::TableName& table);
  /// A new call has begun: answers still being read are not current any more.
  void begin();
  /// Where names are looked up from now on: the stubs and then the data, or the data alone.
  Status use_stubs();
  Status use_data();
  Result<BoundStatement> bind_to_stubs(const std::string& statement);
  /// Runs `work` between BEGIN and COMMIT, or ROLLBACK when it fails.
  template <typename Work>
  Status in_transaction(const Work& work);
  Status make_schema(const std::string& catalog, const sql::TableName& table);
  /// CREATE OR REPLACE, whatever has the name now. Precondition: in a transaction.
  Status create(std::string_view kind, const std::string& target, std::string_view definition);
  Status define(std::string_view kind, const std::string& catalog, const sql::TableName& table,
                std::string_view definition);
  Result<std::unique_ptr<columnar::BatchReader>> read_current(std::unique_ptr<Answer> answer,
                                                              columnar::Schema schema);
  /// The answer of one statement of our own that gives one text.
  Result<std::string> text_answer(const std::string& sql, std::span<const Json> parameters);

  Result<std::vector<WrittenFile>> copy_to_files(const std::string& select,
                                                 const columnar::Schema& schema,
                                                 const ParquetWrite& write);
  /// Keeps the rows in a temporary table, sorted by partition and then in their order, so that each
  /// partition is a run of rows that is copied without looking at the others.
  Result<std::vector<WrittenFile>> write_ordered_partitions(const std::string& select,
                                                            const columnar::Schema& schema,
                                                            const ParquetWrite& write);
  Result<std::vector<PartitionRun>> partitions_of(const std::string& rows,
                                                  const columnar::Schema& schema,
                                                  const ParquetWrite& write);
  Result<std::vector<WrittenFile>> write_partition(const std::string& rows, const PartitionRun& run,
                                                   const columnar::Schema& schema,
                                                   const ParquetWrite& write);

  std::shared_ptr<const Database> database_;
  Connection connection_;
  std::string catalog_;
  std::string stubs_;
  std::string file_prefix_;  // of the running write_parquet
  std::shared_ptr<std::uint64_t> calls_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace millrace::engine
