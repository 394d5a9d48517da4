#pragma once

// The bodies of a scoring request and of its answer, without HTTP.
//
// A row is what the model was trained on: every feature, by position or by name. What cannot be
// understood is refused with its row and column; nothing is guessed.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/feature_encoder.h"

namespace millrace::serve {

enum class Format { Csv, Json };

/// "text/csv", "application/json", with or without parameters ("; charset=utf-8"); nothing for any
/// other media type or character set.
std::optional<Format> format_of(std::string_view content_type);
/// What an Accept header lets us send: the first of its media types that we know; wildcards (also
/// "text/*") and an empty header leave `preferred`, or what fits. Nothing when none fits. Quality
/// values are not weighed.
std::optional<Format> accepted_format(std::string_view accept, Format preferred);

/// Rows as CSV (RFC 4180, also with bare line feeds), one line for each, in the order of the
/// features; an empty field is a missing value. The first line may name the columns: then they must
/// be exactly the features, in any order.
/// Errors: Invalid and NotFound name row (from 1, without the header) and column; Invalid also when
/// the text is no CSV.
Result<model::FeatureRows> read_csv(const model::FeatureEncoder& encoder, std::string_view body);

/// Rows as JSON, in one of these forms:
///   {"instances": [[1.5, "AA"], ...]}                     by position
///   {"instances": [{"delay": 1.5, "carrier": "AA"}, ...]} by name
///   {"dataframe_split": {"columns": [...], "data": [[...], ...]}}
///   {"dataframe_records": [{...}, ...]}
/// A missing value is null; a feature that a row does not name is an error.
/// Errors: as above; Invalid also when the text is no JSON, or an object has a member twice: of two
/// values for one feature neither is guessed to be meant.
Result<model::FeatureRows> read_json(const model::FeatureEncoder& encoder, std::string_view body);

/// One score per line.
std::string write_csv(std::span<const float> scores);
/// {"predictions":[{"score":0.5},...]}
std::string write_json(std::span<const float> scores);

}  // namespace millrace::serve
