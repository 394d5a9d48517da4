#pragma once

// Dead letters as rows: the table `<table>__rejected`.
//
//   source       VARCHAR    name of the source
//   file         VARCHAR    path of the delivery
//   row_number   BIGINT     line on which the row begins, from 1; null: the whole delivery
//   reason       VARCHAR    why
//   column_name  VARCHAR    which column, null when no single one
//   raw          VARCHAR    the row as it stood, cut to 64 KiB, as valid text (readable_text); null
//                           for a whole delivery
//   rejected_at  TIMESTAMP WITH TIME ZONE   when it was delivered: no wall clock, so that landing
//                                           again gives the same
//
// The table is history: letters of one delivery are written once for each content that they have.
// The mark millrace/ingest-rejected/<source>/<path>/<hash of the letters> in its log says that
// these are there.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/record_batch.h"
#include "ingest/source.h"

namespace millrace::ingest {

/// The letters of one delivery.
struct LettersOf {
  Delivery delivery;
  std::span<const RejectedRow> letters;
};

columnar::Schema dead_letter_schema();
std::unique_ptr<columnar::BatchReader> dead_letter_rows(std::string_view source,
                                                        std::span<const LettersOf> letters);
std::string dead_letter_mark(std::string_view source, const LettersOf& letters);

}  // namespace millrace::ingest
