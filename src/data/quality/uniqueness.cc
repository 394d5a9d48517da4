#include "quality/uniqueness.h"

#include <bit>

#include <fmt/core.h>

#include "quality/ask.h"

namespace millrace::quality {
namespace {

constexpr std::uint64_t kWidest = 1ULL << 29U;
constexpr std::uint64_t kSparsest = 64;
constexpr std::uint64_t kAlwaysFine = 1ULL << 20U;

std::uint64_t width(const WholeRange& range) {
  return static_cast<std::uint64_t>(range.max) - static_cast<std::uint64_t>(range.min);
}

/// Which numbers were seen once, and which more than once.
class SeenBits {
 public:
  explicit SeenBits(std::uint64_t numbers) : seen_(numbers / 64 + 1), again_(numbers / 64 + 1) {}

  void see(std::uint64_t offset) {
    const std::uint64_t bit = 1ULL << (offset % 64);
    std::uint64_t& seen = seen_[offset / 64];
    again_[offset / 64] |= seen & bit;
    seen |= bit;
  }

  /// Of `rows` values seen.
  Repetition repetition(std::int64_t rows) const {
    std::int64_t distinct = 0;
    std::int64_t once = 0;
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      distinct += std::popcount(seen_[i]);
      once += std::popcount(seen_[i] & ~again_[i]);
    }
    return {distinct, rows - once};
  }

 private:
  std::vector<std::uint64_t> seen_;
  std::vector<std::uint64_t> again_;
};

}  // namespace

bool WholeRange::dense() const {
  if (count <= 0 || max < min || width(*this) >= kWidest) return false;
  return width(*this) < kAlwaysFine || width(*this) / kSparsest < static_cast<std::uint64_t>(count);
}

Result<Repetition> count_in_bits(engine::Session& session, const std::string& batch,
                                 const std::string& number, const WholeRange& range) {
  SeenBits bits(width(range) + 1);
  std::int64_t rows = 0;
  const auto reader = TRY(session.query(fmt::format("SELECT {} FROM {}", number, batch)));
  while (auto next = TRY(reader->next())) {
    const columnar::Column column = next->column(0);
    const bool any_null = column.null_count() > 0;
    for (std::size_t row = 0; row < column.size(); ++row) {
      if (any_null && column.is_null(row)) continue;
      const std::int64_t value = column.integer(row);
      if (value < range.min || value > range.max)
        return Error(ErrorCode::Invalid,
                     "the table changed while it was validated; pin its version and run again");
      bits.see(static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(range.min));
      ++rows;
    }
  }
  return bits.repetition(rows);
}

Result<Repetition> count_by_grouping(engine::Session& session, const std::string& batch,
                                     const std::string& columns, const std::string& kept) {
  const std::vector<Json> row = TRY(ask_row(
      session, fmt::format("SELECT count(*), coalesce(CAST(sum(n) FILTER (WHERE n > 1) AS BIGINT), "
                           "0) FROM (SELECT count(*) AS n FROM {} WHERE {} GROUP BY {})",
                           batch, kept, columns)));
  return Repetition{row[0].as_integer(), row[1].as_integer()};
}

}  // namespace millrace::quality
