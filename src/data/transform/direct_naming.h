#pragma once

// A SQL model that names a table by itself, past ref() and source(): nobody could tell that it reads
// it, in which order the two are made, or cut its rows by the logical date.

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "transform/sql_model.h"

namespace millrace::transform {

/// A table of the lake or a relation of a session, in lower case -> what a model writes to read it:
/// "raw.orders" -> "{{ source('cafe', 'orders') }}". Also by the bare names: "orders".
using TableWords = std::map<std::string, std::string>;

/// The words for all models of the graph, and for the sources ("cafe.orders" -> its table in the
/// lake, "raw.orders").
TableWords table_words(const ModelGraph& graph, const std::map<std::string, std::string>& sources);

struct DirectNaming {
  std::string table;       // "raw.orders"
  std::string word;        // what to write
  std::size_t offset = 0;  // in the SELECT
};

/// The first table in a SELECT of the model that has a word and a schema, and that none of the
/// model's own words has put there; or what query() or query_table() reads. `tree` as engine::Session::parse gives it.
std::optional<DirectNaming> direct_naming(const Json& tree, const SqlModel& model,
                                          const TableWords& words);

/// The same for a table without a schema, which may as well be a query of the model's own WITH:
/// asked when the engine has found no table of this name, as `why` says.
std::optional<DirectNaming> bare_naming(const Json& tree, const TableWords& words,
                                        const std::string& why);

}  // namespace millrace::transform
