#pragma once

// The state of a table: what is left when its actions are carried out in order.
//
// Source: delta-io/delta PROTOCOL.md, "Action Reconciliation". Pure: no store, no clock.

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "lake/actions.h"
#include "lake/file_set.h"

namespace millrace::lake {

/// A value: copies share the files.
struct TableState {
  std::optional<Protocol> protocol;
  std::optional<Metadata> metadata;
  FileSet<AddFile> files;
  FileSet<RemoveFile> tombstones;  // removed, and perhaps still on disk for readers of old versions
  std::map<std::string, Txn> txns;                // by app_id
  std::map<std::string, DomainMetadata> domains;  // by name; removed ones are gone

  /// Carries out one commit, or a part of a checkpoint. Commits must come in the order of their
  /// versions; inside one the order does not matter: what it adds stays, even where it removes the
  /// same file with another deletion vector.
  void apply(Actions&& actions);
};

}  // namespace millrace::lake
