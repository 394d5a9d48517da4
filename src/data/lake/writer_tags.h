#pragma once

// What an `add` that we wrote says about its making, in its tags. Other readers ignore them; they
// are part of docs/formats/delta.md.

#include <string>

namespace millrace::lake {

/// WriteSpec::writer.app_id: by it a cleared run finds its own files.
inline const std::string kWriterTag = "millrace.writer";
/// WriteSpec::writer.generation, in decimal.
inline const std::string kGenerationTag = "millrace.generation";
/// WriteSpec::rank: whose ranks are compared, and the rank in decimal.
inline const std::string kSeriesTag = "millrace.series";
inline const std::string kRankTag = "millrace.rank";
/// SHA-256 of the file's bytes, 64 hexadecimal digits.
inline const std::string kHashTag = "millrace.sha256";

}  // namespace millrace::lake
