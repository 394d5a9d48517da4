#pragma once

// A shop whose visitors click or do not: every value is a pure function of (seed, stream, index), so
// that any day or part of one can be made alone, in any order, and always alike.
//
// The logit of a click is a function of what a correct pipeline can see at the moment of the visit:
// the user's segment, age, country and plan then, the newest activity that was known then, the item,
// and the hour. So the chance of a click is itself the best score that there can be, and its AUC
// (0.84 with the default numbers) the ceiling for every model.

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace clicks {

/// The numbers that make the world; another one of any is another world.
struct Numbers {
  std::uint64_t seed = 42;
  std::int64_t users = 30'000;
  std::int64_t items = 2'000;
  std::int64_t visits = 20'000;    // a day; about two thirds of them are shown an item
  std::int64_t days = 45;          // of the whole story: plans change over one and a half of it
  std::int64_t position_day = 30;  // from this day on rows have a position
  std::int64_t drift_day = 35;     // on this day the items that sell least are shown most
};

inline constexpr std::int64_t kDaySeconds = 86'400;

/// Seconds are since the first day's midnight, days are counted from 0.
struct User {
  std::int64_t segment, age, country;
  double premium_from;  // in seconds
};

struct Item {
  std::int64_t category;
  double price, quality;
};

/// A user's engagement of the day before, computed at midnight and known some hours later.
struct Activity {
  std::int64_t user, day;
  double engagement, known_at;
};

/// An item was shown to a user. What is wrong with a row is wrong in the world, too.
struct Visit {
  enum class Fault : std::uint8_t { None, NoUser, NoSuchItem, NoTime };

  std::int64_t id, user, item;
  double at, delivered_at;
  bool clicked;
  double chance;          // of a click: the best score
  std::int64_t device;    // -1: unknown
  std::int64_t position;  // on the page, 1..10
  Fault fault = Fault::None;
};

class World {
 public:
  /// Knows the days up to `last_day`.
  World(const Numbers& numbers, std::int64_t last_day);

  const Numbers& numbers() const { return numbers_; }
  const std::vector<User>& users() const { return users_; }
  const std::vector<Item>& items() const { return items_; }

  /// Snapshots that become known on that day: this day's, and late ones of the two before.
  void activities_known_on(std::int64_t day,
                           const std::function<void(const Activity&)>& each) const;

  /// Visits that are delivered on a day: its own, late ones of the four before, and some twice.
  ///
  /// One by one: next() until there is none. `part` of `parts` takes every so many-th visit.
  class Delivery {
   public:
    Delivery(const World& world, std::int64_t day, std::int64_t part, std::int64_t parts);
    std::optional<Visit> next();

   private:
    bool find(std::int64_t id);

    const World& world_;
    std::int64_t day_;
    std::int64_t parts_;
    std::int64_t id_;
    std::int64_t end_;
    double arrivals_[2] = {0, 0};  // of the visit that was found, on this day
    int arrival_count_ = 0;
    std::optional<Visit> found_;
  };

 private:
  friend class Delivery;
  static constexpr int kTastes = 4;
  static constexpr int kSegments = 6;
  static constexpr int kCategories = 12;

  double known_at(std::int64_t day, std::int64_t user) const;
  double engagement(std::int64_t day, std::int64_t user) const;
  std::int64_t shown_item(std::int64_t day, double uniform) const;
  double chance(const Visit& visit) const;

  Numbers numbers_;
  std::vector<User> users_;
  std::vector<Item> items_;
  double affinity_[kSegments][kCategories];
  double most_visits_ = 1;         // of the days of a week, against the mean
  std::vector<float> engagement_;  // [day][user]
};

}  // namespace clicks
