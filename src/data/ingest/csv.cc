#include "ingest/csv.h"

#include <algorithm>
#include <cstring>

#include <fmt/core.h>
#include <simdjson.h>

#include "ingest/csv_header.h"
#include "ingest/csv_record.h"

namespace millrace::ingest {
namespace {

class CsvReader final : public DeliveryReader {
 public:
  CsvReader(std::unique_ptr<ByteStream> bytes, const RowLayout& layout, Delivery delivery,
            DeliveryWindow window, const CsvOptions& options)
      : bytes_(std::move(bytes)),
        records_(*bytes_, options.delimiter, options.max_line_bytes),
        layout_(layout),
        rows_(layout, delivery, window),
        delivery_(std::move(delivery)),
        options_(options),
        cells_(layout.rules.size()) {}

  Result<std::optional<Piece>> next() override {
    if (column_of_.empty()) TRY(header());
    while (!rows_.full()) {
      if (!TRY(records_.next(record_))) {
        rows_.counts().sha256 = bytes_->sha256();
        Piece last = rows_.take();
        if (!last.rows && last.rejected.empty()) return std::optional<Piece>();
        return last;
      }
      take();
    }
    return rows_.take();
  }

  const DeliveryCounts& counts() const override { return rows_.counts(); }

 private:
  Status header();
  void take();
  bool field(std::size_t i);
  void reject(std::string reason, std::string_view column = "") {
    rows_.reject(record_.number, std::move(reason), column, record_.raw);
  }

  std::unique_ptr<ByteStream> bytes_;
  CsvRecordReader records_;
  const RowLayout& layout_;
  PieceBuilder rows_;
  Delivery delivery_;
  CsvOptions options_;
  std::vector<Cell> cells_;
  std::vector<std::size_t> column_of_;  // field -> declared column
  CsvRecord record_;
};

Status CsvReader::header() {
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorCode::DataQuality, fmt::format("{}:1: {}", delivery_.path, why));
  };
  if (!TRY(records_.next(record_)))
    return Error(
        ErrorCode::DataQuality,
        fmt::format("{} is empty: it holds not even a header; deliver it again with its rows",
                    delivery_.path));
  const std::string wrong = header_faults(record_, layout_.rules, options_.delimiter);
  if (!wrong.empty()) return refuse("wrong header: " + wrong);
  for (Cell& cell : cells_) cell.state = Cell::State::Null;  // of columns that the header lacks
  for (const CsvField& name : record_.fields)
    for (std::size_t i = 0; i < layout_.rules.size(); ++i)
      if (layout_.rules[i].name == name.text) column_of_.push_back(i);
  return {};
}

void CsvReader::take() {
  if (!record_.fault.empty()) return reject(record_.fault);
  if (record_.raw.empty() && column_of_.size() > 1) return;
  if (std::memchr(record_.raw.data(), 0, record_.raw.size()) != nullptr)
    return reject("holds a NUL byte");
  if (!simdjson::validate_utf8(record_.raw)) return reject("is not valid UTF-8");
  if (record_.fields.size() != column_of_.size())
    return reject(fmt::format("has {} field{}, the header has {}", record_.fields.size(),
                              record_.fields.size() == 1 ? "" : "s", column_of_.size()));
  for (std::size_t i = 0; i < record_.fields.size(); ++i)
    if (!field(i)) return;
  rows_.add(record_.number, cells_, "", record_.raw);
}

/// Reads the field into its cell; false when the row was rejected.
bool CsvReader::field(std::size_t i) {
  const CsvField& text = record_.fields[i];
  const ColumnRule& rule = layout_.rules[column_of_[i]];
  Cell& cell = cells_[column_of_[i]];
  const auto& nulls = options_.null_texts;
  if (!text.quoted && std::find(nulls.begin(), nulls.end(), text.text) != nulls.end()) {
    cell.state = Cell::State::Null;
    return true;
  }
  const Fault fault = read_text(rule, text.text, cell);
  if (fault == Fault::None) return true;
  const bool shown_bare = fault == Fault::Range && text.text.size() <= 40;
  reject(explain(rule, fault, shown_bare ? std::string(text.text) : in_quotes(text.text)),
         rule.name);
  return false;
}

}  // namespace

std::unique_ptr<DeliveryReader> read_csv(std::unique_ptr<ByteStream> bytes, const RowLayout& layout,
                                         const Delivery& delivery, DeliveryWindow window,
                                         const CsvOptions& options) {
  return std::make_unique<CsvReader>(std::move(bytes), layout, delivery, window, options);
}

}  // namespace millrace::ingest
