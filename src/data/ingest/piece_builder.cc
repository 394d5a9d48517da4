#include "ingest/piece_builder.h"

#include <algorithm>

#include <fmt/core.h>

namespace millrace::ingest {
namespace {

// Four vectors of DuckDB; larger batches were not faster.
constexpr std::size_t kRowsPerPiece = 8192;
constexpr std::size_t kBytesPerPiece = 8 << 20;

std::int64_t day_of(Instant instant) {
  return std::chrono::floor<std::chrono::days>(instant).time_since_epoch().count();
}

}  // namespace

PieceBuilder::PieceBuilder(const RowLayout& layout, const Delivery& delivery, DeliveryWindow window)
    : layout_(layout), path_(delivery.path), window_(window), builder_(layout.schema) {
  counts_.bytes = delivery.size_bytes;
}

std::optional<std::size_t> PieceBuilder::column_without_value(std::span<const Cell> cells) const {
  for (std::size_t i = 0; i < cells.size(); ++i)
    if (cells[i].state != Cell::State::Value && !layout_.rules[i].nullable) return i;
  return std::nullopt;
}

bool PieceBuilder::in_window(Instant delivered_at) const {
  return delivered_at >= window_.first && delivered_at <= window_.last;
}

void PieceBuilder::add(std::int64_t row_number, std::span<const Cell> cells,
                       std::string_view unknown, std::string_view raw) {
  if (const auto column = column_without_value(cells)) {
    const std::string& name = layout_.rules[*column].name;
    const bool missing = cells[*column].state == Cell::State::Missing;
    return reject(
        row_number,
        fmt::format("column \"{}\" is required and {}", name, missing ? "is missing" : "is null"),
        name, raw);
  }
  if (layout_.delivered_at) {
    const Instant delivered_at{Duration(cells[*layout_.delivered_at].integer)};
    const std::string& name = layout_.rules[*layout_.delivered_at].name;
    if (!in_window(delivered_at))
      return reject(row_number,
                    fmt::format("column \"{}\" says {}, but this delivery holds what was delivered "
                                "from {} to {}",
                                name, format_instant(delivered_at), format_instant(window_.first),
                                format_instant(window_.last)),
                    name, raw);
  }
  ++counts_.rows;
  bytes_ += raw.size();
  append(row_number, cells, unknown);
}

void PieceBuilder::append(std::int64_t row_number, std::span<const Cell> cells,
                          std::string_view unknown) {
  append_row(layout_.rules, cells, builder_);
  std::size_t column = cells.size();
  if (layout_.keeps_unknown) {
    if (unknown.empty())
      builder_.append_null(column);
    else
      builder_.append_text(column, unknown);
    ++column;
  }
  std::int64_t day = window_.day;
  if (layout_.delivered_at)
    day = day_of(Instant(Duration(cells[*layout_.delivered_at].integer)));
  else
    builder_.append_integer(column++, window_.last.time_since_epoch().count());
  builder_.append_text(column++, path_);
  builder_.append_integer(column++, row_number);
  builder_.append_integer(column, day);
}

void PieceBuilder::reject(std::int64_t row_number, std::string reason, std::string_view column_name,
                          std::string_view raw) {
  ++counts_.rows;
  ++counts_.rejected;
  rejected_.push_back(
      {row_number, std::move(reason), std::string(column_name), readable_text(raw)});
  bytes_ += rejected_.back().raw.size();
}

bool PieceBuilder::full() const {
  return builder_.row_count() + rejected_.size() >= kRowsPerPiece || bytes_ >= kBytesPerPiece;
}

Piece PieceBuilder::take() {
  Piece piece;
  if (builder_.row_count() > 0) piece.rows = builder_.finish();
  piece.rejected = std::exchange(rejected_, {});
  bytes_ = 0;
  return piece;
}

}  // namespace millrace::ingest
