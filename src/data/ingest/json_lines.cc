#include "ingest/json_lines.h"

#include <algorithm>

#include <fmt/core.h>

#include "ingest/json_row.h"
#include "ingest/line_reader.h"

namespace millrace::ingest {
namespace {

bool is_blank(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return c == ' ' || c == '\t'; });
}

class JsonLinesReader final : public DeliveryReader {
 public:
  JsonLinesReader(std::unique_ptr<ByteStream> bytes, const RowLayout& layout, Delivery delivery,
                  DeliveryWindow window, const JsonLinesOptions& options)
      : bytes_(std::move(bytes)),
        lines_(*bytes_, options.max_line_bytes),
        parser_(layout.rules, options.unknown),
        rows_(layout, delivery, window),
        delivery_(std::move(delivery)),
        max_line_bytes_(options.max_line_bytes) {}

  Result<std::optional<Piece>> next() override {
    while (!rows_.full()) {
      const std::optional<Line> line = TRY(lines_.next());
      if (!line) return end();
      take(*line);
    }
    return rows_.take();
  }

  const DeliveryCounts& counts() const override { return rows_.counts(); }

 private:
  void take(const Line& line) {
    if (line.too_long)
      return rows_.reject(line.number,
                          fmt::format("is longer than {} bytes (max_line)", max_line_bytes_), "",
                          line.text);
    if (is_blank(line.text)) return;
    if (auto fault = parser_.parse(line.text))
      return rows_.reject(line.number, std::move(fault->reason), fault->column_name, line.text);
    count_unknown();
    rows_.add(line.number, parser_.cells(), parser_.unknown(), line.text);
  }

  void count_unknown() {
    auto& counted = rows_.counts().unknown_members;
    for (const std::string& name : parser_.unknown_names()) {
      const auto known = counted.find(name);
      if (known != counted.end())
        ++known->second;
      else if (counted.size() < kUnknownMembers)
        counted.emplace(name, 1);
    }
  }

  Result<std::optional<Piece>> end() {
    if (rows_.counts().rows == 0)
      return Error(ErrorCode::DataQuality,
                   fmt::format("{} is empty: {}; deliver it again with its rows", delivery_.path,
                               lines_.saw_bytes() ? "it holds blank lines only"
                                                  : "it holds no byte of data"));
    rows_.counts().sha256 = bytes_->sha256();
    Piece last = rows_.take();
    if (!last.rows && last.rejected.empty()) return std::optional<Piece>();
    return last;
  }

  std::unique_ptr<ByteStream> bytes_;
  LineReader lines_;
  JsonRowParser parser_;
  PieceBuilder rows_;
  Delivery delivery_;
  std::size_t max_line_bytes_;
};

}  // namespace

std::unique_ptr<DeliveryReader> read_json_lines(std::unique_ptr<ByteStream> bytes,
                                                const RowLayout& layout, const Delivery& delivery,
                                                DeliveryWindow window,
                                                const JsonLinesOptions& options) {
  return std::make_unique<JsonLinesReader>(std::move(bytes), layout, delivery, window, options);
}

}  // namespace millrace::ingest
