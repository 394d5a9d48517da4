#pragma once

// What a commit says, action by action.
//
// Source: delta-io/delta PROTOCOL.md, "Actions". Members that we do not know are ignored, as the
// protocol asks; members that we know and that have the wrong type are Corruption.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::lake {

/// Which rows of a file are deleted, kept beside the file.
struct DeletionVector {
  std::string storage_type;  // "u": file named by a UUID, "p": file by its path, "i": inline
  std::string path_or_inline;
  std::optional<std::int64_t> offset;
  std::int64_t size_bytes = 0;
  std::int64_t cardinality = 0;

  /// Tells two deletion vectors of one file apart, as the protocol defines it.
  std::string unique_id() const;
  bool operator==(const DeletionVector&) const = default;
};

/// Partition column -> value as text, or null. Under column mapping the names are the physical
/// ones.
using PartitionValues = std::map<std::string, std::optional<std::string>>;

/// A data file as the log names it. Two actions are about the same file when key() is equal.
struct FileName {
  std::string path;  // as it stands in the log: a URI, so percent-encoded
  std::optional<DeletionVector> deletion_vector;

  std::string key() const;
  bool operator==(const FileName&) const = default;
};

struct AddFile {
  FileName file;
  PartitionValues partition_values;
  std::int64_t size_bytes = 0;
  std::int64_t modification_time_ms = 0;
  bool data_change = true;
  std::optional<std::string> stats;  // a JSON document
  std::map<std::string, std::string> tags;

  /// The value of a tag, or nothing.
  std::optional<std::string> tag(const std::string& name) const;
};

struct RemoveFile {
  FileName file;
  std::optional<std::int64_t> deletion_time_ms;
  bool data_change = true;
  bool extended = false;  // whether the two members below are known
  PartitionValues partition_values;
  std::int64_t size_bytes = 0;
};

struct Metadata {
  std::string id;
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::string schema;  // a JSON document
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
  std::optional<std::int64_t> created_time_ms;

  /// A table property, or nothing.
  std::optional<std::string> property(const std::string& name) const;
  bool operator==(const Metadata&) const = default;
};

struct Protocol {
  int min_reader = 1;
  int min_writer = 2;
  std::vector<std::string> reader_features;  // from min_reader 3 on
  std::vector<std::string> writer_features;  // from min_writer 7 on

  bool operator==(const Protocol&) const = default;
};

/// How far an application has come, in its own count.
struct Txn {
  std::string app_id;
  std::int64_t version = 0;
  std::optional<std::int64_t> last_updated_ms;
};

struct DomainMetadata {
  std::string domain;
  std::string configuration;
  bool removed = false;
};

/// A part of a v2 checkpoint that stands in a file of its own.
struct Sidecar {
  std::string path;
  std::int64_t size_bytes = 0;
};

/// All actions of one log entry, or of a part of a checkpoint.
struct Actions {
  std::optional<Protocol> protocol;
  std::optional<Metadata> metadata;
  std::vector<AddFile> adds;
  std::vector<RemoveFile> removes;
  std::vector<Txn> txns;
  std::vector<DomainMetadata> domains;
  std::vector<Sidecar> sidecars;
  std::vector<std::string> cdc;            // opaque: one JSON document each
  std::optional<std::string> commit_info;  // a JSON document
};

/// Reads a stream of JSON objects: one a line as we write it, or laid out over lines as others do.
/// Errors: Corruption names the action and what is wrong with it.
Result<Actions> parse_actions(std::string_view text);

/// One JSON object a line, commitInfo first, in the order of the struct after it.
std::string to_json_lines(const Actions& actions);

}  // namespace millrace::lake
