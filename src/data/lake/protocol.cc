#include "lake/protocol.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

namespace millrace::lake {

namespace {

using columnar::Kind;

constexpr std::array<std::string_view, 7> kReadable = {
    "columnMapping", "deletionVectors",      "timestampNtz",        "v2Checkpoint",
    "typeWidening",  "typeWidening-preview", "vacuumProtocolCheck",
};

/// Features that ask nothing of a writer who adds whole files and removes whole files, or whose
/// demand is looked for in the table itself (constraints, generated columns, a mapping).
constexpr std::array<std::string_view, 15> kWritable = {
    "appendOnly",          "invariants",     "checkConstraints",     "changeDataFeed",
    "generatedColumns",    "columnMapping",  "identityColumns",      "deletionVectors",
    "allowColumnDefaults", "timestampNtz",   "v2Checkpoint",         "vacuumProtocolCheck",
    "typeWidening",        "domainMetadata", "typeWidening-preview",
};

constexpr int kNewestReader = 3;
constexpr int kNewestWriter = 7;

template <std::size_t N>
std::vector<std::string> unknown(const std::vector<std::string>& features,
                                 const std::array<std::string_view, N>& known) {
  std::vector<std::string> names;
  for (const std::string& feature : features) {
    if (std::ranges::find(known, feature) == known.end()) names.push_back(feature);
  }
  return names;
}

std::string join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

bool holds_ntz(const columnar::DataType& type) {
  return type.kind == Kind::TimestampNtz ||
         std::ranges::any_of(type.children,
                             [](const columnar::Field& child) { return holds_ntz(child.type); });
}

Error cannot_write(const std::vector<std::string>& reasons) {
  return {ErrorCode::Unsupported,
          fmt::format("the table cannot be written: {}; write it with the program that made it, or "
                      "copy it into a new table",
                      join(reasons))};
}

}  // namespace

Status check_readable(const Protocol& protocol) {
  if (protocol.min_reader > kNewestReader) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("the table asks for readers of version {}; we have {}",
                             protocol.min_reader, kNewestReader));
  }
  if (protocol.min_reader < 1 || (protocol.min_reader == 3 && protocol.min_writer != 7)) {
    return Error(ErrorCode::Corruption,
                 fmt::format("the table's protocol is reader {} and writer {}, which do not go "
                             "together",
                             protocol.min_reader, protocol.min_writer));
  }
  const std::vector<std::string> missing = unknown(protocol.reader_features, kReadable);
  if (protocol.min_reader < 3 || missing.empty()) return {};
  return Error(
      ErrorCode::Unsupported,
      fmt::format("the table cannot be read: it uses {}, which we do not know", join(missing)));
}

Status check_writable(const Protocol& protocol, const Metadata& metadata) {
  TRY(check_readable(protocol));
  std::vector<std::string> reasons;
  if (protocol.min_writer > kNewestWriter) {
    reasons.push_back(fmt::format("it asks for writers of version {}, we have {}",
                                  protocol.min_writer, kNewestWriter));
  }
  if (protocol.min_writer == kNewestWriter) {
    for (const std::string& feature : unknown(protocol.writer_features, kWritable)) {
      reasons.push_back(fmt::format("it uses {}, which we do not know", feature));
    }
  }
  if (TRY(column_mapping(protocol, metadata)) != ColumnMapping::None) {
    reasons.emplace_back("it maps its columns to other names (delta.columnMapping.mode)");
  }
  for (const auto& [name, value] : metadata.configuration) {
    if (name.starts_with("delta.constraints.")) {
      reasons.push_back(fmt::format("it has the constraint {}: {}", name.substr(18), value));
    }
  }
  for (std::string& rule : TRY(unmet_column_rules(metadata.schema))) {
    reasons.push_back(std::move(rule));
  }
  if (!reasons.empty()) return cannot_write(reasons);
  return {};
}

bool has_writer_feature(const Protocol& protocol, std::string_view feature) {
  if (protocol.min_writer >= 7) {
    return std::ranges::find(protocol.writer_features, feature) != protocol.writer_features.end();
  }
  if (feature == "appendOnly" || feature == "invariants") return protocol.min_writer >= 2;
  if (feature == "checkConstraints") return protocol.min_writer >= 3;
  if (feature == "changeDataFeed" || feature == "generatedColumns") return protocol.min_writer >= 4;
  if (feature == "columnMapping") return protocol.min_writer >= 5;
  if (feature == "identityColumns") return protocol.min_writer >= 6;
  return false;
}

bool is_append_only(const Protocol& protocol, const Metadata& metadata) {
  return has_writer_feature(protocol, "appendOnly") &&
         metadata.property("delta.appendOnly").value_or("false") == "true";
}

Result<ColumnMapping> column_mapping(const Protocol& protocol, const Metadata& metadata) {
  const bool in_force =
      protocol.min_reader == 2 ||
      (protocol.min_reader >= 3 && std::ranges::find(protocol.reader_features, "columnMapping") !=
                                       protocol.reader_features.end());
  const std::string mode = metadata.property("delta.columnMapping.mode").value_or("none");
  if (!in_force || mode == "none") return ColumnMapping::None;
  if (mode == "name") return ColumnMapping::Name;
  if (mode == "id") return ColumnMapping::Id;
  return Error(ErrorCode::Unsupported,
               fmt::format("the table maps its columns in a way that we do not know: "
                           "delta.columnMapping.mode is '{}'",
                           mode));
}

Protocol protocol_for(const columnar::Schema& schema) {
  const bool ntz = std::ranges::any_of(
      schema.fields(), [](const columnar::Field& field) { return holds_ntz(field.type); });
  if (!ntz) return {};
  return {.min_reader = 3,
          .min_writer = 7,
          .reader_features = {"timestampNtz"},
          .writer_features = {"timestampNtz"}};
}

}  // namespace millrace::lake
