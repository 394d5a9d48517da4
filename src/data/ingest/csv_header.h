#pragma once

// What is wrong with the first line of a CSV delivery, in the words of whoever has to mend it.

#include <string>
#include <vector>

#include "ingest/csv_record.h"

namespace millrace::ingest {

/// A list of clauses, the first ten in words; "" when the header names exactly the declared columns.
/// One clause says it all where the names are separated by another character than `delimiter`, and
/// where the line looks like a row.
std::string header_faults(const CsvRecord& header, const std::vector<std::string>& declared,
                          char delimiter);

}  // namespace millrace::ingest
