#pragma once

// All pending deliveries as one stream of rows for the engine, with a verdict on each delivery and
// the dead letters set aside.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "columnar/record_batch.h"
#include "ingest/parallel_reading.h"
#include "ingest/source.h"

namespace millrace::ingest {

struct BadRowLimits {
  /// A delivery is refused as a whole when more rows than both of these are bad, or more than half
  /// of its rows.
  double max_bad_share = 0.01;
  std::int64_t min_bad_rows = 10;
  /// Dead letters of one landing that are kept in memory; the delivery that passes it is refused.
  std::int64_t max_letters = 100'000;
  std::uint64_t max_letter_bytes = 256ULL << 20U;
};

/// How many bad rows of a delivery with `rows` rows are let pass.
std::int64_t allowed_bad_rows(std::int64_t rows, const BadRowLimits& limits);

struct LandProgress {
  std::size_t deliveries_done = 0;
  std::size_t deliveries = 0;
  std::int64_t rows = 0;
  std::uint64_t bytes = 0;  // of the deliveries that are done, as stored
};

/// What came of one delivery.
struct DeliveryOutcome {
  DeliveryCounts counts;
  std::vector<RejectedRow> letters;
  std::optional<Error> refused;  // nothing: it can be landed
};

class LandingRows final : public columnar::BatchReader {
 public:
  LandingRows(Source& source, std::span<const Delivery> deliveries, int threads,
              const BadRowLimits& limits, std::function<void(const LandProgress&)> progress);

  const columnar::Schema& schema() const override { return *schema_; }
  /// The good rows of all deliveries in order, also of those that turn out to be refused. Errors:
  /// what kept a delivery from being reached; faults of the delivery itself go into its outcome.
  Result<std::optional<columnar::RecordBatch>> next() override;

  /// One for each delivery; complete when next() has ended.
  std::vector<DeliveryOutcome>& outcomes() { return outcomes_; }

 private:
  void keep(DeliveryOutcome& outcome, std::vector<RejectedRow> letters);
  Status end(const ParallelReading::Step& step);
  Error too_many_bad_rows(const Delivery& delivery, const DeliveryOutcome& outcome) const;

  std::span<const Delivery> deliveries_;
  BadRowLimits limits_;
  std::function<void(const LandProgress&)> progress_;
  std::shared_ptr<const columnar::Schema> schema_;
  std::vector<DeliveryOutcome> outcomes_;
  LandProgress so_far_;
  std::int64_t letters_ = 0;
  std::uint64_t letter_bytes_ = 0;
  ParallelReading reading_;  // last: its threads end before what they use
};

}  // namespace millrace::ingest
