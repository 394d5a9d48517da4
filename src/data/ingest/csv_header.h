#pragma once

// What is wrong with the first line of a CSV delivery, in the words of whoever has to mend it.

#include <span>
#include <string>

#include "base/result.h"
#include "ingest/cell.h"
#include "ingest/csv_record.h"

namespace millrace::ingest {

/// A list of clauses, the first ten in words; "" when the header names declared columns only, each once,
/// and all that may not be null. (A column that is newer than the delivery has null there.)
/// One clause says it all where the names are separated by another character than `delimiter`, and
/// where the line looks like a row.
std::string header_faults(const CsvRecord& header, std::span<const ColumnRule> columns,
                          char delimiter);

/// Whether a reader's error is this one: then the declaration is to be mended, not the delivery.
bool tells_another_delimiter(const Error& error);

}  // namespace millrace::ingest
