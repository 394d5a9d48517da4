#include "ingest/landing_rows.h"

#include <algorithm>

#include <fmt/core.h>

namespace millrace::ingest {

std::int64_t allowed_bad_rows(std::int64_t rows, const BadRowLimits& limits) {
  const auto share = static_cast<std::int64_t>(static_cast<double>(rows) * limits.max_bad_share);
  return std::min(std::max(share, limits.min_bad_rows), rows / 2);
}

LandingRows::LandingRows(Source& source, std::span<const Delivery> deliveries, int threads,
                         const BadRowLimits& limits,
                         std::function<void(const LandProgress&)> progress)
    : deliveries_(deliveries),
      limits_(limits),
      progress_(std::move(progress)),
      schema_(std::make_shared<columnar::Schema>(arrived(source))),
      outcomes_(deliveries.size()),
      reading_(source, deliveries, threads) {
  so_far_.deliveries = deliveries.size();
}

Result<std::optional<columnar::RecordBatch>> LandingRows::next() {
  while (auto step = reading_.next()) {
    if (!step->piece) {
      TRY(end(*step));
      continue;
    }
    keep(outcomes_[step->delivery], std::move(step->piece->rejected));
    if (!step->piece->rows) continue;
    so_far_.rows += static_cast<std::int64_t>(step->piece->rows->row_count());
    if (progress_) progress_(so_far_);
    return std::move(step->piece->rows);
  }
  return std::optional<columnar::RecordBatch>();
}

/// Sets dead letters aside as long as there is room for them; beyond, the delivery is refused and
/// its rows stay where they are.
void LandingRows::keep(DeliveryOutcome& outcome, std::vector<RejectedRow> letters) {
  for (RejectedRow& letter : letters) {
    if (letters_ >= limits_.max_letters || letter_bytes_ >= limits_.max_letter_bytes) {
      if (!outcome.refused)
        outcome.refused =
            Error(ErrorCode::DataQuality,
                  fmt::format("one landing keeps at most {} dead letters and {} bytes of them",
                              limits_.max_letters, limits_.max_letter_bytes));
      return;
    }
    ++letters_;
    letter_bytes_ += letter.raw.size() + letter.reason.size();
    outcome.letters.push_back(std::move(letter));
  }
}

Status LandingRows::end(const ParallelReading::Step& step) {
  DeliveryOutcome& outcome = outcomes_[step.delivery];
  const Delivery& delivery = deliveries_[step.delivery];
  outcome.counts = step.counts;
  if (!step.outcome.ok()) {
    const ErrorCode code = step.outcome.error().code();
    if (code != ErrorCode::DataQuality && code != ErrorCode::Corruption)
      return Error(step.outcome.error()).while_doing("reading " + delivery.path);
    outcome.refused = step.outcome.error();
    outcome.letters.push_back({std::nullopt, step.outcome.error().message(), "", ""});
  } else if (outcome.refused) {
    outcome.refused = Error(*outcome.refused).while_doing(delivery.path);
  } else if (outcome.counts.rejected > allowed_bad_rows(outcome.counts.rows, limits_)) {
    outcome.refused = too_many_bad_rows(delivery, outcome);
  }
  ++so_far_.deliveries_done;
  so_far_.bytes += delivery.size_bytes;
  if (progress_) progress_(so_far_);
  return {};
}

Error LandingRows::too_many_bad_rows(const Delivery& delivery,
                                     const DeliveryOutcome& outcome) const {
  const RejectedRow& first = outcome.letters.front();
  return Error(
      ErrorCode::DataQuality,
      fmt::format(
          "{}: {} of {} rows are bad, {} are allowed (max_bad_share {}, at least {} rows, at most "
          "half); the first: {}:{}: {}",
          delivery.path, outcome.counts.rejected, outcome.counts.rows,
          allowed_bad_rows(outcome.counts.rows, limits_), limits_.max_bad_share,
          limits_.min_bad_rows, delivery.path, first.row_number.value_or(0), first.reason));
}

}  // namespace millrace::ingest
