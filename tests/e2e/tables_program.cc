// Uses a session of the C++ door outside of a Dag; tables_test.py runs it and reads what it says.
//   tables_program VERB
#include <cstdio>
#include <stdexcept>

#include <millrace/table.h>

namespace {

using namespace millrace;

constexpr std::int64_t kRows = 1'000'000;

/// Batches of 10,000 rows up to kRows, made as they are asked for; `fail_at` gives up before.
Batches numbers(std::int64_t fail_at = kRows) {
  return Batches([fail_at, n = std::int64_t{0}]() mutable -> Result<std::optional<Batch>> {
    if (n >= fail_at && n < kRows) return Error(ErrorCode::Unavailable, "no more numbers");
    if (n == kRows) return std::optional<Batch>();
    Batch batch;
    auto& number = batch.add<std::int64_t>("n");
    auto& third = batch.add<double>("third");
    auto& name = batch.add<std::string>("name");
    for (const std::int64_t end = n + 10'000; n < end; ++n) {
      number.push(n);
      third.push(static_cast<double>(n) / 3);
      if (n % 2 == 0)
        name.push("number " + std::to_string(n));
      else
        name.push_null();
    }
    return std::optional(std::move(batch));
  });
}

Result<> write_and_read(Tables& tables) {
  const std::int64_t written = TRY(tables.write("numbers", numbers()));
  TRY(tables.execute("COPY (SELECT * FROM numbers) TO 'numbers.parquet'"));
  TRY(tables.execute("COPY (SELECT * FROM numbers LIMIT 3) TO 'numbers.json.gz'"));
  Batches answer = TRY(tables.query("SELECT n, name FROM 'numbers.parquet' ORDER BY n"));
  std::int64_t rows = 0;
  std::int64_t nulls = 0;
  std::int64_t sum = 0;
  while (const std::optional<Batch> batch = TRY(answer.next())) {
    const auto* number = TRY(batch->column<std::int64_t>("n"));
    const auto* name = TRY(batch->column<std::string>("name"));
    rows += static_cast<std::int64_t>(batch->row_count());
    for (std::size_t row = 0; row < batch->row_count(); ++row) {
      sum += number->at(row).value_or(0);
      nulls += name->is_null(row) ? 1 : 0;
    }
  }
  std::printf("written %ld read %ld sum %ld nulls %ld\n", written, rows, sum, nulls);
  return {};
}

Result<> give_up_and_go_on(Tables& tables) {
  TRY(tables.execute("CREATE TABLE numbers AS SELECT 1 AS old"));
  const auto written = tables.write("numbers", numbers(500'000));
  std::printf("%s\n%s\n", written.error().message().c_str(),
              TRY(tables.rows("FROM numbers")).dump().c_str());
  Batch uneven;
  uneven.add<double>("a").push(1);
  uneven.add<double>("b");
  std::printf("%s\n", tables.write("uneven", uneven).error().message().c_str());
  std::printf("%s\n", tables.write("a.b.c.d", numbers()).error().message().c_str());
  std::printf("%s\n", tables.query("SELECT no_such_column").error().message().c_str());
  std::printf("%s\n", TRY(tables.rows("SELECT 1 AS one")).dump().c_str());
  return {};
}

Result<> leave_answers(Tables& tables) {
  Batches first = TRY(tables.query("SELECT range AS n FROM range(1000000000000)"));
  TRY(first.next());
  Batches second = TRY(tables.query("SELECT 7 AS n"));
  std::printf("%s\n", first.next().error().message().c_str());
  const std::optional<Batch> batch = TRY(second.next());
  std::printf("%ld\n", TRY(batch->column<std::int64_t>("n"))->at(0).value_or(0));
  Batches failing =
      TRY(tables.query("SELECT CASE WHEN range = 900000 THEN error('at 900000') ELSE range END AS "
                       "n FROM range(1000000)"));
  std::int64_t rows = 0;
  for (;;) {
    const auto next = failing.next();
    if (!next.ok()) {
      std::printf("after some rows (%d): %s\n", rows > 0, next.error().message().c_str());
      break;
    }
    rows += static_cast<std::int64_t>((*next)->row_count());
  }
  std::printf("%s\n", TRY(tables.rows("SELECT 1 AS one")).dump().c_str());
  return {};
}

Result<> throw_in_between(Tables& tables) {
  const auto throwing = [rows = numbers(), times = 0]() mutable -> Result<std::optional<Batch>> {
    if (++times == 3) static_cast<void>(std::stoi("no number"));
    return rows.next();
  };
  try {
    std::printf("not reached: %d\n", tables.write("numbers", throwing).ok());
  } catch (const std::exception& error) {
    std::printf("thrown: %s\n", error.what());
  }
  std::printf("%s\n", TRY(tables.rows("SELECT 1 AS one")).dump().c_str());
  return {};
}

/// 15 times a million rows, which the memory of the session does not hold.
Result<> write_many(Tables& tables) {
  const auto many = [rows = numbers(), times = 1]() mutable -> Result<std::optional<Batch>> {
    std::optional<Batch> batch = TRY(rows.next());
    if (batch.has_value() || times++ == 15) return batch;
    rows = numbers();
    return rows.next();
  };
  std::printf("%ld\n", TRY(tables.write("many", many)));
  std::printf("%s\n", TRY(tables.rows("SELECT sum(n)::BIGINT AS n FROM many")).dump().c_str());
  return {};
}

Result<> write_from_itself(Tables& tables) {
  Batches answer = TRY(tables.query("SELECT 1 AS one"));
  std::printf("%s\n", tables.write("copy", std::move(answer)).error().message().c_str());
  return {};
}

Result<> run(std::string_view verb) {
  const auto tables =
      TRY(open_session({.threads = 1, .memory_bytes = 300U << 20U, .project = "."}));
  if (verb == "write_and_read") return write_and_read(*tables);
  if (verb == "give_up") return give_up_and_go_on(*tables);
  if (verb == "throw") return throw_in_between(*tables);
  if (verb == "write_many") return write_many(*tables);
  if (verb == "leave") return leave_answers(*tables);
  return write_from_itself(*tables);
}

}  // namespace

int main(int argc, char** argv) {
  const Result<> done = run(argc > 1 ? argv[1] : "");
  if (!done.ok()) std::printf("error: %s\n", done.error().message().c_str());
  return done.ok() ? 0 : 1;
}
