#include "tasks/table_rehearsal.h"

#include <fmt/core.h>

#include "base/text.h"
#include "ingest/land.h"
#include "sql/names.h"

namespace millrace::tasks {
namespace {

/// A source's columns as they are after landing, but for that of its partitions.
columnar::Schema landed_schema(const project::SourceTable& source) {
  std::vector<columnar::Field> fields = source.files.columns.fields();
  const auto add = [&](std::string_view name, columnar::Kind kind) {
    if (!source.files.columns.index_of(name).has_value())
      fields.push_back({std::string(name), columnar::simple(kind), true});
  };
  add(source.available_at, columnar::Kind::Timestamp);
  if (source.files.unknown == ingest::UnknownMembers::Keep)
    add(ingest::kUnknown, columnar::Kind::String);
  add(ingest::kFile, columnar::Kind::String);
  add(ingest::kRow, columnar::Kind::Int64);
  return columnar::Schema(std::move(fields));
}

}  // namespace

TableRehearsal::TableRehearsal(engine::Engine& engine, engine::Session& session,
                               project::Problems& problems)
    : session_(session),
      problems_(problems),
      clock_(make_system_clock()),
      store_(storage::make_memory_store()),
      deliveries_(storage::make_memory_store()),
      lake_(std::make_unique<lake::Lake>(*store_, engine, *clock_)) {}

TableRehearsal::~TableRehearsal() = default;

Status TableRehearsal::make(const std::string& name, const std::string& owner,
                            const columnar::Schema& schema,
                            const std::vector<std::string>& partition_by) {
  const auto [at, fresh] = owners_.try_emplace(fold_case(name), owner);
  if (!fresh)
    return Error(
        ErrorCode::AlreadyExists,
        fmt::format("{} writes the table {}, and so does {}; give one of them another name", owner,
                    name, at->second));
  TRY(lake_->create(TRY(lake::TableName::parse(name)), schema, partition_by));
  return {};
}

/// Finds what is wrong with the source, and then that nothing is delivered.
Status TableRehearsal::land_nothing(const project::SourceTable& source) {
  const auto opened = TRY(ingest::open_file_source(source.files, *deliveries_));
  ingest::LandSpec spec{.table = TRY(lake::TableName::parse(source.table)),
                        .event_time = source.event_time,
                        .before = clock_->now(),
                        .writer = {.app_id = "check", .generation = 1}};
  spec.limits.max_bad_share = source.max_bad_share;
  const auto landed = ingest::land(*lake_, session_, *opened, spec);
  const bool in_order = landed.ok() || landed.error().code() == ErrorCode::NotFound;
  if (!in_order) return landed.error();
  std::vector<columnar::Field> fields = landed_schema(source).fields();
  std::vector<std::string> partition_by;
  if (!source.event_time.empty()) {
    fields.push_back({spec.partition, columnar::simple(columnar::Kind::Date), true});
    partition_by.push_back(spec.partition);
  }
  const std::string owner = fmt::format("the source '{}'", source.name);
  const auto& columns =
      landed_.insert_or_assign(source.table, columnar::Schema(std::move(fields))).first->second;
  TRY(make(source.table, owner, columns, partition_by));
  const columnar::Schema letters({{"reason", columnar::simple(columnar::Kind::String), true}});
  return make(TRY(ingest::rejected_table(spec.table)).text(),
              fmt::format("the rejected rows of {}", owner), letters, {});
}

bool TableRehearsal::land(const project::SourceTable& source) {
  const Status landed = land_nothing(source);
  if (landed.ok()) return true;
  std::string message = landed.error().message();
  for (const std::string& itself :
       {fmt::format("source {}: ", source.name), fmt::format("landing {}: ", source.table)})
    if (message.starts_with(itself)) message.erase(0, itself.size());
  problems_.push_back({project::place_of_mistake(source.node, message), message});
  return false;
}

void TableRehearsal::write(const transform::SqlModel& model) {
  const auto bound = session_.bind("SELECT * FROM " + *sql::quoted_table_name(model.relation()));
  if (!bound.ok()) return;  // said already
  const Status made = make(model.table(), fmt::format("the SQL model '{}'", model.name),
                           bound->result, model.partition_by);
  if (!made.ok()) problems_.push_back({{model.path}, made.error().message()});
}

}  // namespace millrace::tasks
