#pragma once

// model.tar.gz: the trained model as SageMaker's XGBoost container loads it.
//
// The archive holds one regular file, `xgboost-model`, at its root, and nothing else: that
// container loads every regular file of the root as a model and averages their predictions, so a
// manifest inside would break or change it. The manifest lies beside the archive (manifest.h).
// The page is docs/formats/model_artefact.md.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::model {

inline constexpr std::uint64_t kMaxArtefactBytes = 256ULL << 20U;
inline constexpr std::uint64_t kMaxBoosterBytes = 1ULL << 30U;

/// The archive of one model in UBJSON (booster_format.h), whose base_score is brought into the
/// scalar form. Equal models give equal bytes: no time, no user, one order, one compression level.
/// Errors: Corruption (not a model), Unsupported (several outputs), Exhausted (larger than the
/// limits).
Result<std::string> pack_artefact(std::string_view booster);

/// The model inside. Errors: Corruption for whatever pack_artefact would not have written (not a
/// gzipped tar, truncated, another or a further member, a link, a path that leads elsewhere, a
/// vector base_score); Exhausted when it unpacks to more than `limit_bytes`; it is
/// not unpacked further.
Result<std::string> unpack_artefact(std::string_view artefact,
                                    std::uint64_t limit_bytes = kMaxBoosterBytes);

}  // namespace millrace::model
