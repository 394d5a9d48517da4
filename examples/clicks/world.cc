#include "world.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace clicks {
namespace {

constexpr double kPi = std::numbers::pi;

/// A random number of its own for every stream and index: SplitMix64's finaliser on a counter.
std::uint64_t hashed(std::uint64_t seed, std::uint64_t stream, std::int64_t index) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
  std::uint64_t z =
      (static_cast<std::uint64_t>(index) + kGolden * (stream + 1) + seed * 0xD1342543DE82EF95) *
      kGolden;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EB;
  return z ^ (z >> 31U);
}

/// Of [0, 1).
double uniform(std::uint64_t seed, std::uint64_t stream, std::int64_t index) {
  return static_cast<double>(hashed(seed, stream, index) >> 11U) * 0x1p-53;
}

/// Box and Muller's.
double normal(std::uint64_t seed, std::uint64_t stream, std::int64_t index) {
  const double radius = std::sqrt(-2 * std::log(std::max(uniform(seed, stream, index), 1e-300)));
  return radius * std::cos(2 * kPi * uniform(seed, stream + 1, index));
}

std::int64_t whole(double value) {
  return static_cast<std::int64_t>(value);
}

std::int64_t day_of(double seconds) {
  return whole(std::floor(seconds / static_cast<double>(kDaySeconds)));
}

double visits_on(std::int64_t day) {
  return 1 + 0.15 * std::sin(2 * kPi * static_cast<double>(day % 7) / 7);
}

}  // namespace

World::World(const Numbers& numbers, std::int64_t last_day) : numbers_(numbers) {
  const std::uint64_t seed = numbers.seed;
  const auto story = static_cast<double>(numbers.days * kDaySeconds);
  for (std::int64_t u = 0; u < numbers.users; ++u)
    users_.push_back({.segment = whole(uniform(seed, 500, u) * kSegments),
                      .age = whole(18 + uniform(seed, 510, u) * 60),
                      .country = whole(std::pow(uniform(seed, 520, u), 2) * 8),
                      .premium_from = uniform(seed, 530, u) * story * 1.5});
  for (std::int64_t i = 0; i < numbers.items; ++i)
    items_.push_back({.category = whole(uniform(seed, 700, i) * kCategories),
                      .price = std::round(std::exp(1.5 + 0.8 * normal(seed, 710, i)) * 100) / 100,
                      .quality = normal(seed, 720, i)});
  for (int segment = 0; segment < kSegments; ++segment)
    for (int category = 0; category < kCategories; ++category) {
      double sum = 0;
      for (std::uint64_t taste = 0; taste < kTastes; ++taste)
        sum += normal(seed, 600 + 10 * taste, segment) * normal(seed, 100 + 10 * taste, category);
      affinity_[segment][category] = sum / std::sqrt(kTastes);
    }
  for (std::int64_t day = 0; day < 7; ++day) most_visits_ = std::max(most_visits_, visits_on(day));
  // Each day's follows from the day before's, so all are made.
  engagement_.reserve(static_cast<std::size_t>((last_day + 1) * numbers.users));
  for (std::int64_t day = 0; day <= last_day; ++day)
    for (std::int64_t u = 0; u < numbers.users; ++u) {
      const double news = normal(seed, 900 + 2 * static_cast<std::uint64_t>(day), u);
      engagement_.push_back(
          static_cast<float>(day == 0 ? news : 0.8 * engagement(day - 1, u) + 0.6 * news));
    }
}

double World::engagement(std::int64_t day, std::int64_t user) const {
  return engagement_[static_cast<std::size_t>(day * numbers_.users + user)];
}

/// An hour after midnight; of 4 in 100 up to 48 hours.
double World::known_at(std::int64_t day, std::int64_t user) const {
  const std::int64_t index = day * numbers_.users + user;
  const bool late = uniform(numbers_.seed, 2000, index) < 0.04;
  const double hours = late ? 1 + uniform(numbers_.seed, 2010, index) * 47 : 1;
  return static_cast<double>(day * kDaySeconds) + hours * 3600;
}

void World::activities_known_on(std::int64_t day,
                                const std::function<void(const Activity&)>& each) const {
  for (std::int64_t of = std::max<std::int64_t>(0, day - 2); of <= day; ++of)
    for (std::int64_t user = 0; user < numbers_.users; ++user)
      if (const double at = known_at(of, user); day_of(at) == day)
        each({.user = user, .day = of, .engagement = engagement(of, user), .known_at = at});
}

std::int64_t World::shown_item(std::int64_t day, double uniform) const {
  const std::int64_t item = std::min(
      whole(static_cast<double>(numbers_.items) * std::pow(uniform, 1.8)), numbers_.items - 1);
  return day == numbers_.drift_day ? numbers_.items - 1 - item : item;
}

double World::chance(const Visit& visit) const {
  const User& user = users_[static_cast<std::size_t>(visit.user)];
  const Item& item = items_[static_cast<std::size_t>(visit.item)];
  std::int64_t newest = day_of(visit.at);
  while (newest > 0 && known_at(newest, visit.user) > visit.at) --newest;
  const double hour = std::fmod(visit.at, static_cast<double>(kDaySeconds)) / 3600;
  const double logit = -1.9 + 1.15 * affinity_[user.segment][item.category] +
                       engagement(newest, visit.user) +
                       0.7 * (visit.at >= user.premium_from ? 1 : 0) + 0.6 * item.quality -
                       0.35 * std::log(item.price) + 0.35 * std::cos(2 * kPi * (hour - 20) / 24) +
                       0.25 * (user.age < 30 && item.category < 3 ? 1 : 0) +
                       0.02 * static_cast<double>(user.country - 3);
  return 1 / (1 + std::exp(-logit));
}

World::Delivery::Delivery(const World& world, std::int64_t day, std::int64_t part,
                          std::int64_t parts)
    : world_(world),
      day_(day),
      parts_(parts),
      id_(std::max<std::int64_t>(0, day - 4) * world.numbers_.visits + part),
      end_((day + 1) * world.numbers_.visits) {}

std::optional<Visit> World::Delivery::next() {
  while (arrival_count_ == 0) {
    if (id_ >= end_) return std::nullopt;
    const std::int64_t id = id_;
    id_ += parts_;
    if (!find(id)) arrival_count_ = 0;
  }
  found_->delivered_at = arrivals_[--arrival_count_];
  return found_;
}

/// Whether this visit was shown an item and arrives on this day, once or twice.
bool World::Delivery::find(std::int64_t id) {
  const Numbers& numbers = world_.numbers_;
  const auto random = [&](std::uint64_t stream) { return uniform(numbers.seed, stream, id); };
  const std::int64_t day = id / numbers.visits;
  const bool late = random(5000) < 0.03;
  const bool twice = random(5020) < 0.01;
  const double hour = 24 * random(3000);
  // Nearly all of an earlier day's have arrived on it: asked first, because it is cheap.
  if (day < day_ && !late && !twice && hour < 23.98) return false;
  if (random(3010) >= 0.35 + 0.65 * std::sin(kPi * std::fmod(hour + 20, 24) / 24)) return false;
  if (random(3020) >= visits_on(day) / world_.most_visits_) return false;

  Visit visit{.id = id};
  visit.at = static_cast<double>(day * kDaySeconds) + hour * 3600;
  const double first =
      visit.at + 2 + 58 * random(5005) + (late ? 3600 * (1 + 47 * random(5010)) : 0);
  const double second = first + (twice ? static_cast<double>(kDaySeconds) * random(5030) : 0);
  arrival_count_ = 0;
  if (day_of(first) == day_) arrivals_[arrival_count_++] = first;
  if (twice && day_of(second) == day_) arrivals_[arrival_count_++] = second;
  if (arrival_count_ == 0) return false;

  visit.user = std::min(whole(static_cast<double>(numbers.users) * std::pow(random(3030), 2.5)),
                        numbers.users - 1);
  if (random(3040) < 0.01) visit.user = std::min<std::int64_t>(7, numbers.users - 1);  // a hot one
  visit.item = world_.shown_item(day, random(3050));
  visit.chance = world_.chance(visit);
  visit.clicked = random(4000) < visit.chance;
  visit.device = random(5060) < 0.05 ? -1 : whole(random(5070) * 3);
  visit.position = 1 + whole(random(5080) * 10);
  if (random(5040) < 0.001) visit.fault = static_cast<Visit::Fault>(1 + whole(random(5050) * 3));
  found_ = visit;
  return true;
}

}  // namespace clicks
