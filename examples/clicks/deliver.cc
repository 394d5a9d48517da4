// The shop's system: writes what it would have delivered, day by day, through a session of the
// engine. The rows are made here (world.h) and go into the engine as batches; files are its COPY.
//
//   deliver_clicks --help

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <thread>

#include <millrace/table.h>

#include "arguments.h"
#include "world.h"

namespace {

using clicks::Activity;
using clicks::Item;
using clicks::Order;
using clicks::User;
using clicks::Visit;
using clicks::World;
using millrace::Batch;
using millrace::Batches;
using millrace::Instant;
using millrace::Result;

constexpr std::size_t kBatchRows = 50'000;

/// Seconds of the story as a moment.
Instant moment(const Order& order, double seconds) {
  return Instant(order.start) + millrace::Duration(static_cast<std::int64_t>(seconds * 1e6));
}

// ---- the rows of each table

Batches once(Batch batch) {
  return Batches(
      [rows = std::optional(std::move(batch))]() mutable -> Result<std::optional<Batch>> {
        return std::exchange(rows, std::nullopt);
      });
}

/// Everyone at first, without a plan; then who has a new one.
Batches users_of(const World& world, const Order& order, std::int64_t day) {
  Batch batch;
  auto& id = batch.add<std::int64_t>("user_id");
  auto& segment = batch.add<std::string>("segment");
  auto& age = batch.add<std::int64_t>("age");
  auto& country = batch.add<std::string>("country");
  auto& plan = batch.add<std::string>("plan");
  auto& updated_at = batch.add<Instant>("updated_at");
  auto& delivered_at = batch.add<Instant>("delivered_at");
  constexpr const char* countries[] = {"AT", "BR", "CA", "DE", "FR", "IN", "JP", "US"};
  const auto push = [&](std::int64_t number, const User& user, const char* its_plan, double at) {
    id.push(number);
    segment.push("segment " + std::to_string(user.segment));
    age.push(user.age);
    country.push(countries[user.country]);
    plan.push(its_plan);
    updated_at.push(moment(order, at));
    delivered_at.push(moment(order, at));
  };
  std::int64_t number = 0;
  for (const User& user : world.users()) {
    if (day == 0) push(number, user, "free", 0);
    if (static_cast<std::int64_t>(user.premium_from) / clicks::kDaySeconds == day)
      push(number, user, "premium", user.premium_from);
    ++number;
  }
  return once(std::move(batch));
}

Batches items_of(const World& world, const Order& order) {
  Batch batch;
  auto& id = batch.add<std::int64_t>("item_id");
  auto& category = batch.add<std::string>("category");
  auto& price = batch.add<double>("price");
  auto& quality = batch.add<double>("quality");
  auto& delivered_at = batch.add<Instant>("delivered_at");
  std::int64_t number = 0;
  for (const Item& item : world.items()) {
    id.push(number++);
    category.push("category " + std::to_string(item.category));
    price.push(item.price);
    quality.push(item.quality);
    delivered_at.push(moment(order, 0));
  }
  return once(std::move(batch));
}

Batches activity_of(const World& world, const Order& order, std::int64_t day) {
  Batch batch;
  auto& user = batch.add<std::int64_t>("user_id");
  auto& midnight = batch.add<Instant>("midnight");
  auto& engagement = batch.add<double>("engagement");
  auto& delivered_at = batch.add<Instant>("delivered_at");
  world.activities_known_on(day, [&](const Activity& activity) {
    user.push(activity.user);
    midnight.push(moment(order, static_cast<double>(activity.day * clicks::kDaySeconds)));
    engagement.push(activity.engagement);
    delivered_at.push(moment(order, activity.known_at));
  });
  return once(std::move(batch));
}

/// Some thousand clicks, made when they are asked for.
std::optional<Batch> some_clicks(World::Delivery& delivery, const Order& order,
                                 bool with_position) {
  Batch batch;
  auto& id = batch.add<std::int64_t>("event_id");
  auto& user = batch.add<std::int64_t>("user_id");
  auto& item = batch.add<std::int64_t>("item_id");
  auto& shown_at = batch.add<Instant>("shown_at");
  auto& device = batch.add<std::string>("device");
  auto* position = with_position ? &batch.add<std::int64_t>("position") : nullptr;
  auto& clicked = batch.add<bool>("clicked");
  auto* best_score = order.with_best_score ? &batch.add<double>("best_score") : nullptr;
  auto& delivered_at = batch.add<Instant>("delivered_at");
  constexpr std::string_view devices[] = {"phone", "tablet", "desktop"};
  while (batch.row_count() < kBatchRows) {
    const std::optional<Visit> visit = delivery.next();
    if (!visit.has_value()) break;
    id.push(visit->id);
    if (visit->fault == Visit::Fault::NoUser)
      user.push_null();
    else
      user.push(visit->user);
    item.push(visit->fault == Visit::Fault::NoSuchItem ? -1 : visit->item);
    if (visit->fault == Visit::Fault::NoTime)
      shown_at.push_null();
    else
      shown_at.push(moment(order, visit->at));
    if (visit->device < 0)
      device.push_null();
    else
      device.push(devices[visit->device]);
    if (position != nullptr) position->push(visit->position);
    clicked.push(visit->clicked);
    if (best_score != nullptr) best_score->push(visit->chance);
    delivered_at.push(moment(order, visit->delivered_at));
  }
  return batch;
}

Batches clicks_of(const World& world, const Order& order, std::int64_t day) {
  return Batches([delivery = World::Delivery(world, day, order.part, order.parts), &world, &order,
                  day, begun = false]() mutable -> Result<std::optional<Batch>> {
    std::optional<Batch> batch = some_clicks(delivery, order, day >= world.numbers().position_day);
    // A day without a click is a file without a row.
    if (batch->row_count() == 0 && std::exchange(begun, true)) return std::optional<Batch>();
    begun = true;
    return batch;
  });
}

// ---- files

struct Job {
  std::string table;
  std::int64_t day;
};

std::string path_of(const Order& order, const Job& job) {
  const std::string date =
      millrace::format_instant(Instant(order.start + std::chrono::days(job.day))).substr(0, 10);
  std::string part;
  if (order.parts > 1 && job.table == "clicks")
    part = "." + std::to_string(order.part + 1) + "-of-" + std::to_string(order.parts);
  return order.out + "/" + job.table + "/" + job.table + "-" + date + part +
         (order.as_parquet ? ".parquet" : ".jsonl.gz");
}

std::string quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

/// The file is there when it is whole.
Result<std::int64_t> write_file(millrace::Tables& tables, const World& world, const Order& order,
                                const Job& job) {
  const std::string path = path_of(order, job);
  Batches rows = job.table == "users"      ? users_of(world, order, job.day)
                 : job.table == "items"    ? items_of(world, order)
                 : job.table == "activity" ? activity_of(world, order, job.day)
                                           : clicks_of(world, order, job.day);
  const std::int64_t count = TRY(tables.write("rows_of_file", std::move(rows)));
  const std::string format = order.as_parquet ? "FORMAT parquet" : "FORMAT json, COMPRESSION gzip";
  TRY(tables.execute("COPY rows_of_file TO " + quoted(path + ".new") + " (" + format + ")"));
  std::error_code error;
  std::filesystem::rename(path + ".new", path, error);
  if (error)
    return millrace::Error(millrace::ErrorCode::Unavailable, path + ": " + error.message());
  return count;
}

std::vector<Job> jobs_of(const Order& order) {
  std::vector<Job> jobs;
  if (order.part == 0 && order.first_day == 0) jobs.push_back({"items", 0});
  for (std::int64_t day = order.first_day; day <= order.last_day; ++day) {
    jobs.push_back({"clicks", day});
    if (order.part != 0) continue;
    jobs.push_back({"users", day});
    jobs.push_back({"activity", day});
  }
  return jobs;
}

/// The files, one after the other for each thread. The first failure ends all.
class Delivering {
 public:
  explicit Delivering(const Order& order)
      : order_(order), world_(order.numbers, order.last_day), jobs_(jobs_of(order)) {}

  Result<> run() {
    for (const char* table : {"clicks", "users", "items", "activity"}) {
      std::error_code error;
      std::filesystem::create_directories(order_.out + "/" + table, error);
      if (error)
        return millrace::Error(millrace::ErrorCode::Invalid,
                               "--out " + order_.out + ": " + error.message());
    }
    std::vector<std::jthread> threads;
    for (std::int64_t i = 0; i < order_.threads; ++i) threads.emplace_back([this] { work(); });
    threads.clear();
    if (failure_.has_value()) return *std::move(failure_);
    std::printf("%lld rows of clicks and others in %zu files under %s\n",
                static_cast<long long>(rows_), jobs_.size(), order_.out.c_str());
    return {};
  }

 private:
  void work() {
    const Result<> done = write_files();
    const std::lock_guard lock(mutex_);
    if (!done.ok() && !failure_.has_value()) failure_ = done.error();
    if (!done.ok()) next_ = jobs_.size();
  }

  Result<> write_files() {
    const auto tables = TRY(millrace::open_session({.threads = 1}));
    for (std::size_t i = next_++; i < jobs_.size(); i = next_++)
      rows_ += TRY(write_file(*tables, world_, order_, jobs_[i]));
    return {};
  }

  const Order& order_;
  World world_;
  std::vector<Job> jobs_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::int64_t> rows_ = 0;
  std::mutex mutex_;
  std::optional<millrace::Error> failure_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto order = clicks::read_arguments(argc, argv);
  if (!order.ok()) {
    std::fprintf(stderr, "error: %s\n--help says what there is\n", order.error().message().c_str());
    return 2;
  }
  if (order->help) {
    std::fputs(clicks::kHelp, stdout);
    return 0;
  }
  const Result<> done = Delivering(*order).run();
  if (done.ok()) return 0;
  std::fprintf(stderr, "error: %s\n", done.error().message().c_str());
  return 1;
}
