#pragma once

// How many bytes several may hold together: a bound on memory that no single one of them sees.

#include <atomic>
#include <cstdint>

namespace millrace::net {

/// Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t most) : most_(most) {}

  /// What one holder has taken, given back when it ends. The budget outlives it.
  class Share {
   public:
    /// The first `free` bytes count for nothing.
    Share(ByteBudget& budget, std::uint64_t free) : budget_(budget), free_(free) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { budget_.taken_ -= taken_; }

    /// False when the others leave too little; then what was taken before stays.
    bool grow_to(std::uint64_t bytes) {
      const std::uint64_t wanted = bytes > free_ ? bytes - free_ : 0;
      if (wanted <= taken_) return true;
      const std::uint64_t more = wanted - taken_;
      if (budget_.taken_.fetch_add(more) + more > budget_.most_) {
        budget_.taken_ -= more;
        return false;
      }
      taken_ = wanted;
      return true;
    }

   private:
    ByteBudget& budget_;
    const std::uint64_t free_;
    std::uint64_t taken_ = 0;
  };

 private:
  const std::uint64_t most_;
  std::atomic<std::uint64_t> taken_ = 0;
};

}  // namespace millrace::net
