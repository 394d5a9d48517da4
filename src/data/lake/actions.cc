#include "lake/actions.h"

#include <fmt/core.h>

#include "lake/uri.h"

namespace millrace::lake {

namespace {

Json texts(const std::map<std::string, std::string>& map) {
  Json json = Json::object();
  for (const auto& [name, value] : map) json.set(name, value);
  return json;
}

Json texts(const PartitionValues& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values) json.set(name, value ? Json(*value) : Json());
  return json;
}

template <typename T>
void set_if(Json& json, std::string_view name, const std::optional<T>& value) {
  if (value) json.set(name, *value);
}

void set_deletion_vector(Json& json, const FileName& file) {
  if (!file.deletion_vector) return;
  const DeletionVector& vector = *file.deletion_vector;
  Json described = Json::object(
      {{"storageType", vector.storage_type}, {"pathOrInlineDv", vector.path_or_inline}});
  set_if(described, "offset", vector.offset);
  described.set("sizeInBytes", vector.size_bytes);
  described.set("cardinality", vector.cardinality);
  json.set("deletionVector", std::move(described));
}

Json json_of(const AddFile& add) {
  Json json = Json::object({{"path", add.file.path},
                            {"partitionValues", texts(add.partition_values)},
                            {"size", add.size_bytes},
                            {"modificationTime", add.modification_time_ms},
                            {"dataChange", add.data_change}});
  set_if(json, "stats", add.stats);
  if (!add.tags.empty()) json.set("tags", texts(add.tags));
  set_deletion_vector(json, add.file);
  return json;
}

Json json_of(const RemoveFile& remove) {
  Json json = Json::object({{"path", remove.file.path}});
  set_if(json, "deletionTimestamp", remove.deletion_time_ms);
  json.set("dataChange", remove.data_change);
  if (remove.extended) {
    json.set("extendedFileMetadata", true);
    json.set("partitionValues", texts(remove.partition_values));
    json.set("size", remove.size_bytes);
  }
  set_deletion_vector(json, remove.file);
  return json;
}

Json json_of(const Metadata& metadata) {
  Json json = Json::object({{"id", metadata.id}});
  set_if(json, "name", metadata.name);
  set_if(json, "description", metadata.description);
  json.set("format", Json::object({{"provider", "parquet"}, {"options", Json::object()}}));
  json.set("schemaString", metadata.schema);
  json.set("partitionColumns", Json(metadata.partition_columns));
  json.set("configuration", texts(metadata.configuration));
  set_if(json, "createdTime", metadata.created_time_ms);
  return json;
}

Json json_of(const Protocol& protocol) {
  Json json = Json::object(
      {{"minReaderVersion", protocol.min_reader}, {"minWriterVersion", protocol.min_writer}});
  if (protocol.min_reader >= 3) json.set("readerFeatures", Json(protocol.reader_features));
  if (protocol.min_writer >= 7) json.set("writerFeatures", Json(protocol.writer_features));
  return json;
}

Json json_of(const Txn& txn) {
  Json json = Json::object({{"appId", txn.app_id}, {"version", txn.version}});
  set_if(json, "lastUpdated", txn.last_updated_ms);
  return json;
}

Json json_of(const DomainMetadata& domain) {
  return Json::object({{"domain", domain.domain},
                       {"configuration", domain.configuration},
                       {"removed", domain.removed}});
}

Json json_of(const Sidecar& sidecar) {
  return Json::object({{"path", sidecar.path}, {"sizeInBytes", sidecar.size_bytes}});
}

void write_line(std::string& lines, std::string_view action, std::string_view json) {
  lines.append(R"({")").append(action).append(R"(":)").append(json).append("}\n");
}

template <typename T>
void write_lines(std::string& lines, std::string_view action, const std::vector<T>& values) {
  for (const T& value : values) write_line(lines, action, json_of(value).dump());
}

}  // namespace

std::string DeletionVector::unique_id() const {
  if (!offset) return storage_type + path_or_inline;
  return fmt::format("{}{}@{}", storage_type, path_or_inline, *offset);
}

std::string FileName::key() const {
  std::string key = canonical_path(path);
  // A path holds no NUL character, so that the two parts cannot run together.
  if (deletion_vector) key.append(1, '\0').append(deletion_vector->unique_id());
  return key;
}

std::optional<std::string> AddFile::tag(const std::string& name) const {
  const auto found = tags.find(name);
  return found == tags.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> Metadata::property(const std::string& property_name) const {
  const auto found = configuration.find(property_name);
  return found == configuration.end() ? std::nullopt : std::optional(found->second);
}

std::string to_json_lines(const Actions& actions) {
  std::string lines;
  if (actions.commit_info) write_line(lines, "commitInfo", *actions.commit_info);
  if (actions.protocol) write_line(lines, "protocol", json_of(*actions.protocol).dump());
  if (actions.metadata) write_line(lines, "metaData", json_of(*actions.metadata).dump());
  write_lines(lines, "add", actions.adds);
  write_lines(lines, "remove", actions.removes);
  write_lines(lines, "txn", actions.txns);
  write_lines(lines, "domainMetadata", actions.domains);
  write_lines(lines, "sidecar", actions.sidecars);
  for (const std::string& cdc : actions.cdc) write_line(lines, "cdc", cdc);
  return lines;
}

}  // namespace millrace::lake
