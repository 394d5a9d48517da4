#include <algorithm>

#include <fmt/core.h>

#include "base/utf8.h"
#include "serve/row_columns.h"
#include "serve/scoring.h"

namespace millrace::serve {

namespace {

Error no_csv(std::size_t line, std::string_view why) {
  return Error(ErrorCode::Invalid, fmt::format("line {} is no CSV: {}", line, why));
}

/// Cuts CSV into lines of fields.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // the byte order mark that spreadsheets write
  }

  bool at_end() const { return at_ >= text_.size(); }

  /// The next line's fields; valid until the next call.
  Result<const std::vector<std::string>*> line() {
    fields_.clear();
    ++line_;
    while (true) {
      fields_.push_back(TRY(field()));
      if (at_end()) return &fields_;
      const char c = text_[at_++];
      if (c == '\n') return &fields_;
      if (c == '\r' && !at_end() && text_[at_] == '\n') {
        ++at_;
        return &fields_;
      }
      if (c != ',') return no_csv(line_, "text follows a closing quote");
    }
  }

 private:
  Result<std::string> field() {
    if (!at_end() && text_[at_] == '"') return quoted();
    const std::size_t begin = at_;
    while (!at_end() && text_[at_] != ',' && text_[at_] != '\n') {
      if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') break;
      if (text_[at_] == '"') return no_csv(line_, "a quote within a field that is not quoted");
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  Result<std::string> quoted() {
    std::string value;
    for (++at_; !at_end(); ++at_) {
      if (text_[at_] != '"') {
        value += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        value += text_[at_++];
      } else {
        ++at_;
        return value;
      }
    }
    return no_csv(line_, "a quote is not closed");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 0;
  std::vector<std::string> fields_;
};

/// A first line names columns when at least half of its fields are features' names: so one slip in
/// a header is still seen as that.
bool is_header(const model::FeatureEncoder& encoder, const std::vector<std::string>& fields) {
  const auto named = std::ranges::count_if(
      fields, [&encoder](const std::string& field) { return encoder.find(field).has_value(); });
  return named > 0 && static_cast<std::size_t>(named) * 2 >= fields.size();
}

}  // namespace

Result<model::FeatureRows> read_csv(const model::FeatureEncoder& encoder, std::string_view body) {
  if (!is_utf8(body)) return Error(ErrorCode::Invalid, "the rows are not UTF-8 text");
  const std::size_t width = encoder.features().size();
  model::FeatureRows rows{.values = {}, .width = width};
  std::vector<std::size_t> columns = columns_by_position(encoder);
  CsvReader reader(body);
  std::size_t row = 0;
  for (bool first = true; !reader.at_end(); first = false) {
    const std::vector<std::string>* fields = TRY(reader.line());
    if (first && is_header(encoder, *fields)) {
      columns = TRY_DOING("the first line names the columns", columns_of(encoder, *fields));
      continue;
    }
    ++row;
    if (fields->size() != width) return wrong_width(encoder, row, fields->size());
    const std::size_t begin = rows.values.size();
    rows.values.resize(begin + width);
    for (std::size_t i = 0; i < width; ++i) {
      rows.values[begin + columns[i]] = TRY(encoder.encode_text(columns[i], (*fields)[i], row));
    }
  }
  return rows;
}

}  // namespace millrace::serve
