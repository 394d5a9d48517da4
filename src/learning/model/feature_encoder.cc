#include "model/feature_encoder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_map>

#include <fmt/core.h>

#include "base/suggest.h"
#include "base/utf8.h"

namespace millrace::model {

namespace {

using columnar::Column;
using columnar::Kind;
using columnar::RecordBatch;

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
constexpr std::int64_t kExactInteger = 1LL << 53U;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
/// Category -> code.
using Codes = std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>>;

Error refuse(const Feature& feature, std::size_t row, std::string_view what) {
  return Error(ErrorCode::Invalid,
               fmt::format("row {}, feature '{}': {}", row, feature.name, what));
}

/// At most 40 bytes of a value that someone sent, for a message.
std::string shown(std::string_view value) {
  if (value.size() <= 40) return to_utf8(value);
  return to_utf8(value.substr(0, 40)) + "...";
}

Result<float> to_float(const Feature& feature, double value, std::size_t row) {
  if (!std::isfinite(value)) {
    return refuse(feature, row,
                  "the number is not finite; leave it empty (null) when it is not known");
  }
  if (std::fabs(value) > std::numeric_limits<float>::max()) {
    return refuse(feature, row, fmt::format("{} does not fit into a 32-bit float", value));
  }
  return static_cast<float>(value);
}

bool may_be_number(Kind kind) {
  return kind == Kind::Boolean || (kind >= Kind::Int8 && kind <= Kind::Decimal);
}

bool may_be_category(Kind kind) {
  return kind == Kind::String || kind == Kind::Boolean ||
         (kind >= Kind::Int8 && kind <= Kind::Int64);
}

Status check_type(const columnar::DataType& type, const Feature& feature) {
  const bool category = feature.kind == FeatureKind::Category;
  if (category ? may_be_category(type.kind) : may_be_number(type.kind)) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("feature '{}' is a {} learned from {}; the column is {}", feature.name,
                           to_string(feature.kind), feature.type, columnar::to_sql(type)));
}

Result<Column> column_of(const RecordBatch& batch, const Feature& feature) {
  Column column = TRY_DOING("feature '" + feature.name + "'", batch.column(feature.name));
  TRY(check_type(column.type(), feature));
  return column;
}

Result<float> number_in(const Column& column, const Feature& feature, std::size_t row,
                        std::size_t first_row) {
  if (column.is_null(row)) return kMissing;
  if (column.type().kind == Kind::Boolean) return column.boolean(row) ? 1.0F : 0.0F;
  return to_float(feature, column.number(row), first_row + row);
}

/// The one way from a batch to floats. `code_of(feature index, text)` gives a category's float.
template <typename CodeOf>
Status encode_batch(const RecordBatch& batch, const std::vector<Feature>& features,
                    const CodeOf& code_of, std::size_t first_row, std::vector<float>& out) {
  const std::size_t width = features.size();
  const std::size_t start = out.size();
  out.resize(start + batch.row_count() * width);
  for (std::size_t f = 0; f < width; ++f) {
    const Column column = TRY(column_of(batch, features[f]));
    for (std::size_t row = 0; row < batch.row_count(); ++row) {
      float& cell = out[start + row * width + f];
      if (features[f].kind == FeatureKind::Number) {
        cell = TRY(number_in(column, features[f], row, first_row));
      } else if (column.is_null(row)) {
        cell = kMissing;
      } else if (column.type().kind == Kind::String) {
        cell = TRY(code_of(f, column.text(row)));
      } else {
        cell = TRY(code_of(f, column.to_string(row)));
      }
    }
  }
  return {};
}

Codes codes_of(const std::vector<std::string>& categories) {
  Codes codes;
  for (std::size_t i = 0; i < categories.size(); ++i) {
    codes.emplace(categories[i], static_cast<std::uint32_t>(i));
  }
  return codes;
}

/// A code of a provisional numbering -> the final code, or missing.
std::vector<float> final_codes(const Codes& provisional, const std::vector<bool>& kept,
                               std::vector<std::string>& categories) {
  std::vector<std::pair<std::string_view, std::uint32_t>> sorted;
  for (const auto& [text, code] : provisional) {
    if (kept[code]) sorted.emplace_back(text, code);
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<float> renamed(provisional.size(), kMissing);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    renamed[sorted[i].second] = static_cast<float>(i);
    categories.emplace_back(sorted[i].first);
  }
  return renamed;
}

}  // namespace

Result<std::vector<Feature>> features_of(const columnar::Schema& schema,
                                         const std::vector<std::string>& names,
                                         const std::vector<std::string>& categorical) {
  std::vector<Feature> features;
  for (const std::string& name : names) {
    const std::optional<std::size_t> index = schema.index_of(name);
    if (!index) {
      return Error(ErrorCode::NotFound, fmt::format("no column '{}' for a feature{}", name,
                                                    suggestion(name, schema.names())));
    }
    const columnar::DataType& type = schema[*index].type;
    const bool chosen =
        std::find(categorical.begin(), categorical.end(), name) != categorical.end();
    const bool category = chosen || type.kind == Kind::String;
    if (category ? !may_be_category(type.kind) : !may_be_number(type.kind)) {
      return Error(ErrorCode::Unsupported,
                   fmt::format("feature '{}' is a {}{}; a feature is a number, a boolean or text: "
                               "turn it into one of these in SQL",
                               name, columnar::to_sql(type), chosen ? " and categorical" : ""));
    }
    features.push_back({.name = name,
                        .kind = category ? FeatureKind::Category : FeatureKind::Number,
                        .type = columnar::to_sql(type),
                        .categories = {}});
  }
  for (const std::string& name : categorical) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    return Error(ErrorCode::NotFound, fmt::format("categorical feature '{}' is not among the "
                                                  "features{}",
                                                  name, suggestion(name, names)));
  }
  TRY(check_features(features));
  return features;
}

struct FeatureEncoder::State {
  std::vector<Feature> features;
  std::vector<Codes> codes;  // per feature; empty for numbers
  std::vector<std::string> names;
  columnar::Schema schema;  // for its search without regard to case

  explicit State(std::vector<Feature> given)
      : features(std::move(given)), names(names_of(features)) {
    std::vector<columnar::Field> fields;
    for (const Feature& feature : features) {
      codes.push_back(codes_of(feature.categories));
      fields.push_back({feature.name, columnar::simple(Kind::String), true});
    }
    schema = columnar::Schema(std::move(fields));
  }

  float code(std::size_t feature, std::string_view text) const {
    const auto found = codes[feature].find(text);
    return found == codes[feature].end() ? kMissing : static_cast<float>(found->second);
  }
};

FeatureEncoder::FeatureEncoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
FeatureEncoder::FeatureEncoder(FeatureEncoder&&) noexcept = default;
FeatureEncoder& FeatureEncoder::operator=(FeatureEncoder&&) noexcept = default;
FeatureEncoder::~FeatureEncoder() = default;

Result<FeatureEncoder> FeatureEncoder::make(std::vector<Feature> features) {
  TRY(check_features(features));
  return FeatureEncoder(std::make_unique<State>(std::move(features)));
}

const std::vector<Feature>& FeatureEncoder::features() const {
  return state_->features;
}

std::optional<std::size_t> FeatureEncoder::find(std::string_view name) const {
  return state_->schema.index_of(name);
}

Result<std::size_t> FeatureEncoder::index_of(std::string_view name) const {
  if (const std::optional<std::size_t> index = find(name)) return *index;
  return Error(ErrorCode::NotFound, fmt::format("the model has no feature '{}'{}", shown(name),
                                                suggestion(name, state_->names)));
}

Status FeatureEncoder::check_columns(const columnar::Schema& columns) const {
  for (const Feature& feature : state_->features) {
    const auto index = columns.index_of(feature.name);
    if (!index)
      return Error(ErrorCode::NotFound, fmt::format("no column '{}' for a feature{}", feature.name,
                                                    suggestion(feature.name, columns.names())));
    TRY(check_type(columns[*index].type, feature));
  }
  return {};
}

Result<FeatureRows> FeatureEncoder::encode(const RecordBatch& batch) const {
  FeatureRows rows{.values = {}, .width = state_->features.size()};
  const auto code_of = [this](std::size_t feature, std::string_view text) -> Result<float> {
    return state_->code(feature, text);
  };
  TRY(encode_batch(batch, state_->features, code_of, 1, rows.values));
  return rows;
}

Result<float> FeatureEncoder::encode(std::size_t feature, const Json& value,
                                     std::size_t row) const {
  const Feature& wanted = state_->features[feature];
  if (value.is_null()) return kMissing;
  if (wanted.kind == FeatureKind::Number) {
    if (value.is_number()) return to_float(wanted, value.as_double(), row);
    if (value.is_bool()) return value.as_bool() ? 1.0F : 0.0F;
  } else {
    if (value.is_string()) return state_->code(feature, value.as_string());
    if (value.is_integer()) return state_->code(feature, std::to_string(value.as_integer()));
    if (value.is_bool()) return state_->code(feature, value.as_bool() ? "true" : "false");
  }
  return refuse(wanted, row,
                fmt::format("expected a {} or null, found {} {}", to_string(wanted.kind),
                            value.type_name(), shown(value.dump())));
}

Result<float> FeatureEncoder::encode_text(std::size_t feature, std::string_view field,
                                          std::size_t row) const {
  const Feature& wanted = state_->features[feature];
  if (field.empty()) return kMissing;
  if (wanted.kind == FeatureKind::Category) return state_->code(feature, field);
  if (field == "true") return 1.0F;
  if (field == "false") return 0.0F;
  double value = 0;
  const bool plus = field.starts_with('+') && !field.starts_with("+-");  // from_chars knows no '+'
  const char* begin = field.data() + (plus ? 1 : 0);
  const char* end = field.data() + field.size();
  const auto parsed = std::from_chars(begin, end, value);
  if (parsed.ec == std::errc::result_out_of_range && parsed.ptr == end) {
    return refuse(wanted, row, fmt::format("'{}' does not fit into a number", shown(field)));
  }
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    return refuse(wanted, row, fmt::format("'{}' is no number", shown(field)));
  }
  return to_float(wanted, value, row);
}

Json FeatureEncoder::decode(std::size_t feature, float value) const {
  const Feature& wanted = state_->features[feature];
  if (std::isnan(value)) return nullptr;
  if (wanted.kind == FeatureKind::Category) {
    return wanted.categories[static_cast<std::size_t>(value)];
  }
  const auto number = static_cast<double>(value);
  const bool whole = std::fabs(number) < static_cast<double>(kExactInteger) &&
                     number == std::trunc(number) && !(number == 0 && std::signbit(number));
  return whole ? Json(static_cast<std::int64_t>(number)) : Json(number);
}

struct FeatureLearner::State {
  std::vector<Feature> features;
  std::vector<Codes> codes;
  FeatureRows rows;
};

FeatureLearner::FeatureLearner(std::unique_ptr<State> state) : state_(std::move(state)) {}
FeatureLearner::FeatureLearner(FeatureLearner&&) noexcept = default;
FeatureLearner::~FeatureLearner() = default;

Result<FeatureLearner> FeatureLearner::make(std::vector<Feature> features) {
  TRY(check_features(features));
  auto state = std::make_unique<State>();
  state->codes.resize(features.size());
  state->rows.width = features.size();
  state->features = std::move(features);
  return FeatureLearner(std::move(state));
}

std::size_t FeatureLearner::row_count() const {
  return state_->rows.row_count();
}

Status FeatureLearner::append(const RecordBatch& batch, std::size_t first_row) {
  State& state = *state_;
  const auto code_of = [&state](std::size_t feature, std::string_view text) -> Result<float> {
    Codes& codes = state.codes[feature];
    const auto found = codes.find(text);
    if (found != codes.end()) return static_cast<float>(found->second);
    if (codes.size() == kMaxCategories) {
      return Error(ErrorCode::Exhausted,
                   fmt::format("feature '{}' has more than {} different texts; leave it out, or "
                               "group it in SQL",
                               state.features[feature].name, kMaxCategories));
    }
    const auto code = static_cast<std::uint32_t>(codes.size());
    codes.emplace(std::string(text), code);
    return static_cast<float>(code);
  };
  const std::size_t before = state.rows.values.size();
  Status encoded = encode_batch(batch, state.features, code_of, first_row, state.rows.values);
  if (!encoded.ok()) state.rows.values.resize(before);
  return encoded;
}

Result<FeatureLearner::Learned> FeatureLearner::finish(const std::vector<bool>& learn_from) && {
  State& state = *state_;
  const std::size_t width = state.features.size();
  INVARIANT(learn_from.size() == state.rows.row_count(), "one entry per appended row");
  std::vector<float>& values = state.rows.values;
  for (std::size_t f = 0; f < width; ++f) {
    if (state.features[f].kind == FeatureKind::Number) continue;
    std::vector<bool> kept(state.codes[f].size(), false);
    for (std::size_t row = 0; row < learn_from.size(); ++row) {
      const float code = values[row * width + f];
      if (learn_from[row] && !std::isnan(code)) kept[static_cast<std::size_t>(code)] = true;
    }
    const std::vector<float> renamed =
        final_codes(state.codes[f], kept, state.features[f].categories);
    for (std::size_t at = f; at < values.size(); at += width) {
      if (!std::isnan(values[at])) values[at] = renamed[static_cast<std::size_t>(values[at])];
    }
  }
  FeatureEncoder encoder = TRY(FeatureEncoder::make(std::move(state.features)));
  return Learned{std::move(encoder), std::move(state.rows)};
}

}  // namespace millrace::model
