#pragma once

// A program's batches as record batches, both ways.

#include "columnar/record_batch.h"
#include "millrace/table.h"

namespace millrace::door {

struct BatchAccess {
  static columnar::Schema schema_of(const Batch& batch);
  /// The rows lent: the values stay the batch's, which must outlive the result. Errors: Invalid when
  /// the columns differ in length.
  static Result<columnar::RecordBatch> lend(const Batch& batch);
  /// A copy.
  static Batch copy(const columnar::RecordBatch& from);
};

}  // namespace millrace::door
