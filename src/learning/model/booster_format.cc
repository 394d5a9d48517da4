#include "model/booster_format.h"

#include <charconv>
#include <cmath>
#include <initializer_list>
#include <span>

#include <fmt/core.h>

namespace millrace::model {

namespace {

constexpr int kMaxDepth = 64;

/// One value of the document: its type's marker and the bytes after the marker.
struct Value {
  char marker = 0;
  std::size_t begin = 0;  // of the payload; for text, of its length
  std::size_t end = 0;
  std::string_view text;  // of a string
};

/// Walks a UBJSON document without building it. Every read is checked against the end.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  Result<Value> value(int depth) {
    const char marker = TRY(byte());
    return payload(marker, depth);
  }

  /// Moves behind the member `name` of the object whose '{' was just read.
  Result<Value> member(std::string_view name) {
    if (peek() == '#' || peek() == '$') return damaged("a counted object");
    while (peek() != '}') {
      const std::string_view found = TRY(string());
      if (found == name) {
        const char marker = TRY(byte());
        if (marker == '{') return Value{.marker = '{', .begin = at_, .end = at_};
        return payload(marker, 0);
      }
      TRY(value(0));
    }
    return damaged(fmt::format("no member '{}'", name));
  }

  Result<char> byte() {
    if (at_ >= bytes_.size()) return damaged("the end comes too early");
    return bytes_[at_++];
  }

  Error damaged(std::string_view why) const {
    return Error(ErrorCode::Corruption,
                 fmt::format("not an XGBoost model in UBJSON: {} at byte {}", why, at_));
  }

 private:
  char peek() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }

  Status skip(std::uint64_t count) {
    if (count > bytes_.size() - at_) return damaged("a length leaves the bytes");
    at_ += count;
    return {};
  }

  static int width_of(char marker) {
    switch (marker) {
      case 'Z':
      case 'N':
      case 'T':
      case 'F':
        return 0;
      case 'i':
      case 'U':
      case 'C':
        return 1;
      case 'I':
        return 2;
      case 'l':
      case 'd':
        return 4;
      case 'L':
      case 'D':
        return 8;
      default:
        return -1;
    }
  }

  /// A length: an integer marker and its big-endian bytes.
  Result<std::uint64_t> length() {
    const char marker = TRY(byte());
    if (marker != 'i' && marker != 'U' && marker != 'I' && marker != 'l' && marker != 'L') {
      return damaged("a length that is no integer");
    }
    std::uint64_t value = 0;
    for (int i = 0; i < width_of(marker); ++i) {
      value = value << 8U | static_cast<unsigned char>(TRY(byte()));
    }
    return value;  // a negative one is larger than any document
  }

  Result<std::string_view> string() {
    const std::uint64_t size = TRY(length());
    const std::size_t begin = at_;
    TRY(skip(size));
    return bytes_.substr(begin, size);
  }

  Result<Value> payload(char marker, int depth) {
    Value value{.marker = marker, .begin = at_};
    if (depth > kMaxDepth) return damaged("nested too deep");
    if (marker == 'S' || marker == 'H') {
      value.text = TRY(string());
    } else if (marker == '{') {
      TRY(skip_object(depth));
    } else if (marker == '[') {
      TRY(skip_array(depth));
    } else if (width_of(marker) >= 0) {
      TRY(skip(static_cast<std::uint64_t>(width_of(marker))));
    } else {
      return damaged("an unknown type");
    }
    value.end = at_;
    return value;
  }

  Status skip_object(int depth) {
    if (peek() == '#' || peek() == '$') return damaged("a counted object");
    while (peek() != '}') {
      TRY(string());
      TRY(value(depth + 1));
    }
    return skip(1);
  }

  Status skip_array(int depth) {
    char type = 0;
    if (peek() == '$') {
      TRY(skip(1));
      type = TRY(byte());
      if (peek() != '#') return damaged("a typed array without a count");
    }
    if (peek() != '#') {
      while (peek() != ']') TRY(value(depth + 1));
      return skip(1);
    }
    TRY(skip(1));
    const std::uint64_t count = TRY(length());
    if (type != 0) return skip_typed(type, count);
    // Every element takes a byte at least, so a count that lies ends at the end of the bytes.
    for (std::uint64_t i = 0; i < count; ++i) TRY(value(depth + 1));
    return {};
  }

  Status skip_typed(char type, std::uint64_t count) {
    const int width = width_of(type);
    if (width <= 0) return damaged("an array of a type without a fixed size");
    if (count > bytes_.size()) return damaged("a length leaves the bytes");
    return skip(count * static_cast<std::uint64_t>(width));
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

Result<Value> find(std::string_view document, std::initializer_list<std::string_view> path) {
  Cursor cursor(document);
  if (TRY(cursor.byte()) != '{') return cursor.damaged("no object");
  Value value{.marker = '{'};
  for (const std::string_view name : path) {
    if (value.marker != '{') return cursor.damaged("no object");
    value = TRY(cursor.member(name));
  }
  return value;
}

Result<Value> find_text(std::string_view document, std::initializer_list<std::string_view> path) {
  Value value = TRY(find(document, path));
  if (value.marker == 'S') return value;
  return Error(ErrorCode::Corruption,
               fmt::format("not an XGBoost model in UBJSON: '{}' is no text", *(path.end() - 1)));
}

Result<std::int64_t> find_integer(std::string_view document, std::string_view name) {
  const Value value = TRY(find_text(document, {"learner", "learner_model_param", name}));
  std::int64_t number = 0;
  const char* begin = value.text.data();
  const char* end = begin + value.text.size();
  const auto parsed = std::from_chars(begin, end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  return Error(ErrorCode::Corruption,
               fmt::format("the model's {} is '{}', which is no integer", name, value.text));
}

bool is_finite_number(std::string_view text) {
  double number = 0;
  const char* begin = text.data();
  const char* end = begin + text.size();
  const auto parsed = std::from_chars(begin, end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(number);
}

std::string big_endian_length(std::uint64_t length) {
  std::string bytes = "L";
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(static_cast<unsigned char>(length >> static_cast<unsigned>(shift)));
  }
  return bytes;
}

}  // namespace

Result<BoosterSummary> summarise_booster(std::string_view ubjson) {
  Cursor whole(ubjson);
  TRY(whole.value(0));  // all of it can be walked
  BoosterSummary summary;
  summary.objective = TRY(find_text(ubjson, {"learner", "objective", "name"})).text;
  summary.base_score =
      TRY(find_text(ubjson, {"learner", "learner_model_param", "base_score"})).text;
  summary.feature_count = TRY(find_integer(ubjson, "num_feature"));
  const std::int64_t classes = TRY(find_integer(ubjson, "num_class"));
  const std::int64_t targets = TRY(find_integer(ubjson, "num_target"));
  if (classes > 1 || targets > 1) {
    return Error(ErrorCode::Unsupported,
                 fmt::format("the model has {} classes and {} targets; one score per row is "
                             "supported",
                             classes, targets));
  }
  return summary;
}

Result<std::string> with_scalar_base_score(std::string_view ubjson) {
  const BoosterSummary summary = TRY(summarise_booster(ubjson));
  std::string_view scalar = summary.base_score;
  if (scalar.starts_with('[') && scalar.ends_with(']'))
    scalar = scalar.substr(1, scalar.size() - 2);
  if (!is_finite_number(scalar)) {
    return Error(
        ErrorCode::Corruption,
        fmt::format("the model's base_score is '{}'; expected one number", summary.base_score));
  }
  const Value value = TRY(find_text(ubjson, {"learner", "learner_model_param", "base_score"}));
  return fmt::format("{}{}{}{}", ubjson.substr(0, value.begin), big_endian_length(scalar.size()),
                     scalar, ubjson.substr(value.end));
}

Status check_base_score(std::string_view ubjson) {
  const BoosterSummary summary = TRY(summarise_booster(ubjson));
  if (is_finite_number(summary.base_score)) return {};
  return Error(ErrorCode::Corruption,
               fmt::format("the model's base_score is '{}', not one number: XGBoost before 3.1 "
                           "would read it as 0.5 and give wrong probabilities; train it again, or "
                           "write the scalar form",
                           summary.base_score));
}

}  // namespace millrace::model
