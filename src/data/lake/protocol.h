#pragma once

// What a table asks of its readers and writers, and whether we can give it.
//
// The rule of the protocol: whoever does not know a feature leaves the table alone. So both
// functions refuse by name, before a row is read or a file written.

#include <string_view>
#include <vector>

#include "base/result.h"
#include "columnar/schema.h"
#include "lake/actions.h"
#include "lake/schema_json.h"

namespace millrace::lake {

/// Errors: Unsupported names every feature (or the version) that we do not read; Corruption when
/// the versions contradict the lists.
Status check_readable(const Protocol& protocol);

/// Errors: Unsupported names what the table asks of writers and we do not do: a feature, a column
/// mapping, a constraint, a generated column.
Status check_writable(const Protocol& protocol, const Metadata& metadata);

/// Whether the table refuses that rows are removed ("delta.appendOnly").
bool is_append_only(const Protocol& protocol, const Metadata& metadata);

/// Whether the feature is in force: listed, or implied by the versions.
bool has_writer_feature(const Protocol& protocol, std::string_view feature);

/// How files name columns. Errors: Unsupported names a mode that we do not know.
Result<ColumnMapping> column_mapping(const Protocol& protocol, const Metadata& metadata);

/// The least that a table with these columns asks: reader 1 and writer 2, which everybody has, or
/// with the feature timestampNtz where a column needs it.
Protocol protocol_for(const columnar::Schema& schema);

}  // namespace millrace::lake
