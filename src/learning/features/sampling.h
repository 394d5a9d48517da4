#pragma once

// Some rows of a table, the same ones every time: those whose key hashes lowest.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace millrace::features {

/// The values of a key, as the engine casts them to text.
using RowKey = std::vector<std::string>;

/// Picks `count` keys of the relation, from each value of `part` alike (`part` may be empty). Keys
/// with a null are never picked. Errors: those of the engine.
Result<std::vector<RowKey>> sample_keys(engine::Session& session, const std::string& relation,
                                        const std::vector<std::string>& key,
                                        const std::string& part, std::size_t count,
                                        std::uint64_t seed);

}  // namespace millrace::features
