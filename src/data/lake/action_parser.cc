// Log entries with simdjson: 10,000 commits in 0.04 CPU s, against 10 by the engine's read_json.
//
// The DOM rather than the on-demand interface, because it checks the whole document: a log entry
// that was cut or overwritten must be found out, not half understood.

#include <algorithm>
#include <limits>

#include <fmt/core.h>
#include <simdjson.h>

#include "lake/actions.h"

namespace millrace::lake {

namespace {

namespace dom = simdjson::dom;
using simdjson::dom::element_type;

Error broken(std::string message) {
  return {ErrorCode::Corruption, std::move(message)};
}

std::string_view name_of(element_type type) {
  switch (type) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "a boolean";
    case element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

/// One action's members, by name and type. A null member counts as absent.
class Members {
 public:
  Members(std::string_view action, dom::object object) : action_(action), object_(object) {}

  Result<std::optional<std::string>> text(std::string_view name) const {
    const std::optional<std::string_view> found = TRY((member<std::string_view>(name, "a string")));
    return found ? std::optional<std::string>(*found) : std::nullopt;
  }
  Result<std::optional<std::int64_t>> integer(std::string_view name) const {
    return member<std::int64_t>(name, "an integer");
  }
  Result<std::optional<bool>> boolean(std::string_view name) const {
    return member<bool>(name, "a boolean");
  }
  Result<std::optional<Members>> object(std::string_view name) const {
    const std::optional<dom::object> found = TRY((member<dom::object>(name, "an object")));
    return found ? std::optional(Members(name, *found)) : std::nullopt;
  }

  Result<std::string> needed_text(std::string_view name) const {
    std::optional<std::string> found = TRY(text(name));
    if (!found) return missing(name);
    return *std::move(found);
  }
  Result<std::int64_t> needed_integer(std::string_view name) const {
    const std::optional<std::int64_t> found = TRY(integer(name));
    if (!found) return missing(name);
    return *found;
  }
  /// A version of the protocol: small.
  Result<int> needed_small(std::string_view name) const {
    const std::int64_t found = TRY(needed_integer(name));
    if (found < 0 || found > 1'000'000) {
      return broken(fmt::format("{}: '{}' is {}", action_, name, found));
    }
    return static_cast<int>(found);
  }

  Result<std::vector<std::string>> texts(std::string_view name) const {
    std::vector<std::string> values;
    const std::optional<dom::array> found = TRY((member<dom::array>(name, "an array")));
    if (!found) return values;
    for (dom::element element : *found) {
      values.emplace_back(TRY(text_of(name, element)));
    }
    return values;
  }

  /// Null values are kept.
  Result<PartitionValues> nullable_texts(std::string_view name) const {
    PartitionValues values;
    const std::optional<dom::object> found = TRY((member<dom::object>(name, "an object")));
    if (!found) return values;
    for (auto [key, element] : *found) {
      std::optional<std::string>& value = values[std::string(key)];
      if (!element.is_null()) value = TRY(text_of(name, element));
    }
    return values;
  }

  /// Null values are left out.
  Result<std::map<std::string, std::string>> text_map(std::string_view name) const {
    std::map<std::string, std::string> values;
    const PartitionValues found = TRY(nullable_texts(name));
    for (const auto& [key, value] : found) {
      if (value) values[key] = *value;
    }
    return values;
  }

  std::string document() const { return simdjson::minify(object_); }

  Error missing(std::string_view name) const {
    return broken(fmt::format("{}: '{}' is missing", action_, name));
  }

 private:
  template <typename T>
  Result<std::optional<T>> member(std::string_view name, std::string_view expected) const {
    dom::element element;
    if (object_[name].get(element) != simdjson::SUCCESS || element.is_null()) {
      return std::optional<T>();
    }
    T value;
    if (element.get(value) != simdjson::SUCCESS) {
      return broken(fmt::format("{}: '{}' is {}, expected {}", action_, name,
                                name_of(element.type()), expected));
    }
    return std::optional<T>(value);
  }

  Result<std::string> text_of(std::string_view name, dom::element element) const {
    std::string_view value;
    if (element.get(value) != simdjson::SUCCESS) {
      return broken(fmt::format("{}: '{}' holds {}, expected strings", action_, name,
                                name_of(element.type())));
    }
    return std::string(value);
  }

  std::string_view action_;
  dom::object object_;
};

Result<FileName> read_file_name(const Members& members) {
  FileName file;
  file.path = TRY(members.needed_text("path"));
  if (file.path.empty() || file.path.find('\0') != std::string::npos) {
    return broken("a file's path is empty or holds a NUL character");
  }
  const std::optional<Members> vector = TRY(members.object("deletionVector"));
  if (!vector) return file;
  DeletionVector& found = file.deletion_vector.emplace();
  found.storage_type = TRY(vector->needed_text("storageType"));
  found.path_or_inline = TRY(vector->needed_text("pathOrInlineDv"));
  found.offset = TRY(vector->integer("offset"));
  found.size_bytes = TRY(vector->needed_integer("sizeInBytes"));
  found.cardinality = TRY(vector->needed_integer("cardinality"));
  return file;
}

Result<AddFile> read_add(const Members& members) {
  AddFile add;
  add.file = TRY(read_file_name(members));
  add.partition_values = TRY(members.nullable_texts("partitionValues"));
  add.size_bytes = TRY(members.needed_integer("size"));
  add.modification_time_ms = TRY(members.integer("modificationTime")).value_or(0);
  add.data_change = TRY(members.boolean("dataChange")).value_or(true);
  add.stats = TRY(members.text("stats"));
  add.tags = TRY(members.text_map("tags"));
  return add;
}

Result<RemoveFile> read_remove(const Members& members) {
  RemoveFile remove;
  remove.file = TRY(read_file_name(members));
  remove.deletion_time_ms = TRY(members.integer("deletionTimestamp"));
  remove.data_change = TRY(members.boolean("dataChange")).value_or(true);
  const std::optional<std::int64_t> size = TRY(members.integer("size"));
  remove.extended = TRY(members.boolean("extendedFileMetadata")).value_or(false) && size;
  if (!remove.extended) return remove;
  remove.partition_values = TRY(members.nullable_texts("partitionValues"));
  remove.size_bytes = *size;
  return remove;
}

Result<Metadata> read_metadata(const Members& members) {
  Metadata metadata;
  metadata.id = TRY(members.text("id")).value_or("");
  metadata.name = TRY(members.text("name"));
  metadata.description = TRY(members.text("description"));
  metadata.schema = TRY(members.needed_text("schemaString"));
  metadata.partition_columns = TRY(members.texts("partitionColumns"));
  metadata.configuration = TRY(members.text_map("configuration"));
  metadata.created_time_ms = TRY(members.integer("createdTime"));
  if (const std::optional<Members> format = TRY(members.object("format"))) {
    const std::string provider = TRY(format->text("provider")).value_or("parquet");
    if (provider != "parquet") {
      return Error(ErrorCode::Unsupported,
                   fmt::format("the table's files are {}, only parquet is read", provider));
    }
  }
  return metadata;
}

Result<Protocol> read_protocol(const Members& members) {
  Protocol protocol;
  protocol.min_reader = TRY(members.needed_small("minReaderVersion"));
  protocol.min_writer = TRY(members.needed_small("minWriterVersion"));
  protocol.reader_features = TRY(members.texts("readerFeatures"));
  protocol.writer_features = TRY(members.texts("writerFeatures"));
  return protocol;
}

Result<Txn> read_txn(const Members& members) {
  Txn txn;
  txn.app_id = TRY(members.needed_text("appId"));
  txn.version = TRY(members.needed_integer("version"));
  txn.last_updated_ms = TRY(members.integer("lastUpdated"));
  return txn;
}

Result<DomainMetadata> read_domain(const Members& members) {
  DomainMetadata domain;
  domain.domain = TRY(members.needed_text("domain"));
  domain.configuration = TRY(members.text("configuration")).value_or("");
  domain.removed = TRY(members.boolean("removed")).value_or(false);
  return domain;
}

Result<Sidecar> read_sidecar(const Members& members) {
  Sidecar sidecar;
  sidecar.path = TRY(members.needed_text("path"));
  sidecar.size_bytes = TRY(members.integer("sizeInBytes")).value_or(0);
  return sidecar;
}

Status read_action(const Members& members, std::string_view name, Actions& actions) {
  if (name == "add") {
    actions.adds.push_back(TRY(read_add(members)));
  } else if (name == "remove") {
    actions.removes.push_back(TRY(read_remove(members)));
  } else if (name == "txn") {
    actions.txns.push_back(TRY(read_txn(members)));
  } else if (name == "metaData") {
    actions.metadata = TRY(read_metadata(members));
  } else if (name == "protocol") {
    actions.protocol = TRY(read_protocol(members));
  } else if (name == "commitInfo") {
    actions.commit_info = members.document();
  } else if (name == "domainMetadata") {
    actions.domains.push_back(TRY(read_domain(members)));
  } else if (name == "sidecar") {
    actions.sidecars.push_back(TRY(read_sidecar(members)));
  } else if (name == "cdc") {
    actions.cdc.push_back(members.document());
  }
  return {};
}

Status read_line(dom::element line, Actions& actions) {
  dom::object object;
  if (line.get(object) != simdjson::SUCCESS) {
    return broken(fmt::format("expected an object, found {}", name_of(line.type())));
  }
  for (auto [name, value] : object) {
    if (value.is_null()) continue;
    dom::object members;
    if (value.get(members) != simdjson::SUCCESS) {
      return broken(fmt::format("{} is {}, expected an object", name, name_of(value.type())));
    }
    TRY(read_action(Members(name, members), name, actions));
  }
  return {};
}

}  // namespace

Result<Actions> parse_actions(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  if (text.size() >= std::numeric_limits<std::uint32_t>::max()) {
    return Error(ErrorCode::Exhausted, "more than 4 GiB of actions at once");
  }
  if (text.find_first_not_of(" \t\r\n") == text.npos) return Actions{};
  const simdjson::padded_string padded(text);
  dom::parser parser;
  dom::document_stream lines;
  // One batch: an action may be as long as the text.
  const std::size_t batch = std::max<std::size_t>(text.size(), 1) + simdjson::SIMDJSON_PADDING;
  Actions actions;
  if (auto error = parser.parse_many(padded, batch).get(lines)) {
    return broken(fmt::format("not JSON: {}", simdjson::error_message(error)));
  }
  for (auto line = lines.begin(); line != lines.end(); ++line) {
    dom::element element;
    if (auto error = (*line).get(element)) {
      if (error == simdjson::EMPTY) break;
      return broken(fmt::format("not JSON at byte {}: {}", line.current_index(),
                                simdjson::error_message(error)));
    }
    TRY_DOING(fmt::format("at byte {}", line.current_index()), read_line(element, actions));
  }
  if (lines.truncated_bytes() > 0) {
    return broken("it ends with the beginning of an action whose end is missing");
  }
  return actions;
}

}  // namespace millrace::lake
