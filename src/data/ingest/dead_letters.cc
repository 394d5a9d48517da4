#include "ingest/dead_letters.h"

#include <fmt/core.h>

#include "base/hash.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;

constexpr std::size_t kRowsPerBatch = 1024;
constexpr std::size_t kSource = 0;
constexpr std::size_t kPath = 1;
constexpr std::size_t kRowNumber = 2;
constexpr std::size_t kReason = 3;
constexpr std::size_t kColumnName = 4;
constexpr std::size_t kRaw = 5;
constexpr std::size_t kRejectedAt = 6;

void append(columnar::BatchBuilder& builder, std::string_view source, const Delivery& delivery,
            const RejectedRow& letter) {
  const auto text_or_null = [&](std::size_t column, std::string_view text, bool present) {
    if (present)
      builder.append_text(column, text);
    else
      builder.append_null(column);
  };
  builder.append_text(kSource, source);
  builder.append_text(kPath, delivery.path);
  if (letter.row_number)
    builder.append_integer(kRowNumber, *letter.row_number);
  else
    builder.append_null(kRowNumber);
  builder.append_text(kReason, letter.reason);
  text_or_null(kColumnName, letter.column_name, !letter.column_name.empty());
  text_or_null(kRaw, letter.raw, letter.row_number.has_value());
  builder.append_integer(kRejectedAt, delivery.delivered_at.time_since_epoch().count());
}

}  // namespace

columnar::Schema dead_letter_schema() {
  using columnar::simple;
  return columnar::Schema({{"source", simple(Kind::String), true},
                           {"file", simple(Kind::String), true},
                           {"row_number", simple(Kind::Int64), true},
                           {"reason", simple(Kind::String), true},
                           {"column_name", simple(Kind::String), true},
                           {"raw", simple(Kind::String), true},
                           {"rejected_at", simple(Kind::Timestamp), true}});
}

std::unique_ptr<columnar::BatchReader> dead_letter_rows(std::string_view source,
                                                        std::span<const LettersOf> letters) {
  const auto schema = std::make_shared<columnar::Schema>(dead_letter_schema());
  columnar::BatchBuilder builder(schema);
  std::vector<columnar::RecordBatch> batches;
  for (const LettersOf& each : letters)
    for (const RejectedRow& letter : each.letters) {
      append(builder, source, each.delivery, letter);
      if (builder.row_count() == kRowsPerBatch) batches.push_back(builder.finish());
    }
  if (builder.row_count() > 0) batches.push_back(builder.finish());
  return columnar::read_batches(schema, std::move(batches));
}

std::string dead_letter_mark(std::string_view source, const LettersOf& letters) {
  Sha256 hash;
  for (const RejectedRow& letter : letters.letters) {
    // Lengths before texts, so that no two lists of letters give the same bytes.
    for (const std::string& part : {std::to_string(letter.row_number.value_or(0)), letter.reason,
                                    letter.column_name, letter.raw})
      hash.update(fmt::format("{}:", part.size())).update(part);
  }
  return fmt::format("millrace/ingest-rejected/{}/{}/{}", source, letters.delivery.path,
                     hash.hex().substr(0, 16));
}

}  // namespace millrace::ingest
