#include "engine/engine_contract.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/result_fixture.h"

namespace millrace::engine {

using columnar::Kind;
using columnar::Schema;
using columnar::simple;

namespace {

/// Batches of one row, without an end. `each` is called with the number of the batch, from 1.
class Endless final : public columnar::BatchReader {
 public:
  explicit Endless(std::function<void(int)> each) : each_(std::move(each)) {}
  const Schema& schema() const override { return *schema_; }
  Result<std::optional<columnar::RecordBatch>> next() override {
    each_(++batches_);
    if (batches_ == 100) return Error(ErrorCode::Internal, "nobody stopped it");
    columnar::BatchBuilder builder(schema_);
    builder.append_integer(0, batches_);
    return std::optional(builder.finish());
  }

 private:
  std::function<void(int)> each_;
  std::shared_ptr<const Schema> schema_ =
      std::make_shared<const Schema>(std::vector<columnar::Field>{{"i", simple(Kind::Int64)}});
  int batches_ = 0;
};

std::size_t files_in(const std::string& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    count += entry.is_regular_file() ? 1 : 0;
  return count;
}

/// A scan of what was written.
TableScan scan_of(const Schema& schema, const std::string& folder,
                  const std::vector<WrittenFile>& files) {
  TableScan scan{schema, {}};
  for (const WrittenFile& file : files)
    scan.files.push_back({folder + "/" + file.relative_path, file.partition_values});
  return scan;
}

}  // namespace

void EngineContract::SetUp() {
  engine_ = *GetParam().open({.threads = 2, .memory_bytes = 1ULL << 30U, .progress = true});
  session_ = *engine_->open_session();
}

std::string EngineContract::ask(std::string_view sql, std::span<const Json> parameters) {
  const auto rows = session_->query(sql, parameters);
  if (!rows.ok()) return said(rows);
  std::string text;
  for (;;) {
    const auto batch = (*rows)->next();
    if (!batch.ok()) return said(batch);
    if (!*batch) return text;
    for (std::size_t row = 0; row < (*batch)->row_count(); ++row) {
      text += text.empty() ? "" : ";";
      for (std::size_t i = 0; i < (*batch)->schema().size(); ++i)
        text += (i == 0 ? "" : "|") + (*batch)->column(i).to_string(row);
    }
  }
}

void EngineContract::cancel_once(const std::function<bool()>& begun,
                                 const std::function<void()>& work) {
  std::atomic<bool> done = false;
  std::thread canceller([&] {
    while (!done && !begun()) std::this_thread::yield();
    session_->cancel();
  });
  work();
  done = true;
  canceller.join();
}

// Asking ------------------------------------------------------------------------------------------

TEST_P(EngineContract, AnAnswerComesInItsOrderInSmallBatches) {
  const auto rows = session_->query("select i from range(10000) t(i) order by i desc");
  ASSERT_EQ(said(rows), "ok");
  std::int64_t next = 9999;
  while (const auto batch = *(*rows)->next()) {
    EXPECT_LE(batch->row_count(), 2048U);
    for (std::size_t row = 0; row < batch->row_count(); ++row)
      ASSERT_EQ(batch->column(0).integer(row), next--);
  }
  EXPECT_EQ(next, -1);
}

TEST_P(EngineContract, ParametersAreValuesAndNeverSql) {
  const std::vector<Json> parameters = {3, "it's; drop table x", 0.5, true, nullptr};
  EXPECT_EQ(ask("select $1 + 1, $2, $3 * 2, not $4, $5 is null", parameters),
            "4|it's; drop table x|1|false|true");
  EXPECT_HAS(ask("select $1", std::vector<Json>{}), "invalid: the statement has 1 parameters");
  EXPECT_HAS(ask("select $1", std::vector<Json>{Json::array()}), "invalid: parameter $1 is array");
}

TEST_P(EngineContract, AnErrorInTheMiddleOfAnAnswerIsNotItsEnd) {
  const auto rows = session_->query(
      "select cast(case when i = 300000 then 'x' else '1' end as int) from range(1000000) t(i)");
  ASSERT_EQ(said(rows), "ok");
  std::size_t seen = 0;
  auto batch = (*rows)->next();
  for (; batch.ok() && *batch; batch = (*rows)->next()) seen += (*batch)->row_count();
  ASSERT_FALSE(batch.ok()) << seen;
  EXPECT_EQ(batch.error().code(), ErrorCode::Invalid);
  EXPECT_EQ(ask("select 1"), "1") << "the session works on";
}

TEST_P(EngineContract, MistakesOfTheStatementAreInvalid) {
  for (const char* sql : {"selec 1", "select nope", "select * from nix", "select cast('x' as int)",
                          "select 1; select 2", ""}) {
    EXPECT_HAS(ask(sql), "invalid: ") << sql;
  }
}

TEST_P(EngineContract, ScalarAndCollectBoundWhatTheyReturn) {
  EXPECT_EQ(session_->scalar("select 42")->as_integer(), 42);
  EXPECT_TRUE(session_->scalar("select cast(null as int)")->is_null());
  EXPECT_HAS(said(session_->scalar("select 1, 2")), "found 2 columns");
  EXPECT_HAS(said(session_->scalar("select 1 where false")), "found no row");
  EXPECT_HAS(said(session_->scalar("select i from range(2) t(i)")), "found several rows");
  EXPECT_HAS(said(session_->scalar("select i from range(5000) t(i)")), "found several rows");
  EXPECT_HAS(said(session_->collect("select i from range(10) t(i)", 9)), "exhausted");
  EXPECT_EQ(session_->collect("select i from range(10) t(i)", 10)->at(0).row_count(), 10U);
}

TEST_P(EngineContract, TimesAreUtc) {
  EXPECT_EQ(ask("select cast('2013-07-01 12:00:00' as timestamp with time zone)"),
            "2013-07-01T12:00:00Z");
}

// Relations ---------------------------------------------------------------------------------------

TEST_P(EngineContract, ViewsAreDefinedReplacedAndDropped) {
  EXPECT_OK(session_->define_view("raw.v", "select 1 as a; -- one"));
  EXPECT_EQ(ask("select * from raw.v"), "1");
  EXPECT_OK(session_->define_view("raw.v", "select 2 as a, 3 as b"));
  EXPECT_EQ(ask("select * from raw.v"), "2|3");
  EXPECT_OK(session_->drop("raw.v"));
  EXPECT_HAS(said(session_->drop("raw.v")), "not_found");
  EXPECT_HAS(said(session_->define_view("v", "select nope from nix")), "nix");
  EXPECT_HAS(said(session_->define_view("v", "select 1; drop view raw.v")), "second one");
  EXPECT_HAS(said(session_->define_view("v\"; --", "select 1")), "not allowed");
}

TEST_P(EngineContract, ARelationOfAnotherKindIsReplacedOrStaysAsItWas) {
  auto other = *engine_->open_session();
  const auto rows = other->query("select cast(7 as bigint) as a");
  EXPECT_EQ(said(session_->load("t", **rows)), "ok");
  EXPECT_FALSE(session_->define_view("t", "select nope").ok());
  EXPECT_EQ(ask("select * from t"), "7");
  EXPECT_OK(session_->define_view("t", "select 2 as a"));
  EXPECT_EQ(ask("select * from t"), "2");
  EXPECT_OK(session_->define_scan("t", {Schema({{"a", simple(Kind::Int64)}}), {}}));
  EXPECT_EQ(ask("select * from t"), "");
}

TEST_P(EngineContract, ALoadThatFailsLeavesTheOldRelation) {
  EXPECT_OK(session_->define_view("t", "select 'old' as a"));
  auto other = *engine_->open_session();
  const auto rows = other->query(
      "select cast(case when i = 300000 then 'x' else '1' end as int) as a from range(400000) "
      "t(i)");
  EXPECT_HAS(said(session_->load("t", **rows)), "invalid");
  EXPECT_EQ(ask("select a from t"), "old");
}

TEST_P(EngineContract, SessionsOfOneEngineShareNoNames) {
  auto other = *engine_->open_session();
  EXPECT_OK(session_->define_view("raw.v", "select 'mine' as a"));
  EXPECT_OK(other->define_view("raw.v", "select 'theirs' as a"));
  EXPECT_EQ(session_->scalar("select a from raw.v")->as_string(), "mine");
  EXPECT_EQ(other->scalar("select a from raw.v")->as_string(), "theirs");
  other.reset();
  EXPECT_EQ(session_->scalar("select a from raw.v")->as_string(), "mine");
}

TEST_P(EngineContract, ASessionOutlivesItsEngine) {
  engine_.reset();
  EXPECT_EQ(ask("select 1"), "1");
}

// Files -------------------------------------------------------------------------------------------

TEST_P(EngineContract, WhatWasWrittenIsATableAgain) {
  const Schema schema({{"p", simple(Kind::String)}, {"i", simple(Kind::Int64)}});
  const auto files = session_->write_parquet(
      "select case when i % 3 = 2 then null else concat('p ', cast(i % 3 as varchar(9))) end as p, "
      "i from range(9) t(i)",
      {.folder = folder_.path(), .partition_by = {"p"}});
  ASSERT_EQ(said(files), "ok");
  std::int64_t rows = 0;
  for (const WrittenFile& file : *files) rows += file.row_count;
  EXPECT_EQ(rows, 9);
  EXPECT_EQ(files_in(folder_.path()), files->size());
  EXPECT_OK(session_->define_scan("raw.t", scan_of(schema, folder_.path(), *files)));
  EXPECT_EQ(ask("select p, count(*), sum(i) from raw.t group by p order by sum(i)"),
            "p 0|3|9;p 1|3|12;|3|15");
}

TEST_P(EngineContract, OrderedFilesKeepTheOrderOfTheAnswer) {
  const Schema schema({{"p", simple(Kind::Int64)}, {"i", simple(Kind::Int64)}});
  const auto files = session_->write_parquet(
      "select i % 7 as p, i from range(50000) t(i) order by (i * 7919) % 50000",
      {.folder = folder_.path(), .partition_by = {"p"}, .ordered = true});
  ASSERT_EQ(said(files), "ok");
  ASSERT_EQ(files->size(), 7U) << "one file a partition";
  for (const WrittenFile& file : *files) {
    EXPECT_OK(session_->define_scan("one", scan_of(schema, folder_.path(), {file})));
    const auto rows = session_->query("select i from one");
    std::int64_t last = -1;
    std::int64_t count = 0;
    while (const auto batch = *(*rows)->next())
      for (std::size_t row = 0; row < batch->row_count(); ++row, ++count) {
        const std::int64_t place = batch->column(0).integer(row) * 7919 % 50000;
        ASSERT_GT(place, last);
        last = place;
      }
    EXPECT_EQ(count, file.row_count);
  }
}

TEST_P(EngineContract, AnEmptyAnswerAndAFailedWriteMakeNoFile) {
  for (const bool ordered : {false, true}) {
    const ParquetWrite write{.folder = folder_.path(), .partition_by = {"p"}, .ordered = ordered};
    const auto none = session_->write_parquet("select 1 as i, 2 as p where false", write);
    ASSERT_EQ(said(none), "ok");
    EXPECT_TRUE(none->empty());
    EXPECT_HAS(
        said(session_->write_parquet("select cast(case when i = 300000 then 'x' else '1' end as "
                                     "int) as a, i % 3 as p from range(400000) t(i)",
                                     write)),
        "invalid");
    EXPECT_EQ(files_in(folder_.path()), 0U);
  }
}

// Looking at statements ---------------------------------------------------------------------------

TEST_P(EngineContract, BindTellsTheColumns) {
  EXPECT_OK(session_->define_scan(
      "raw.t", {Schema({{"day", simple(Kind::Date)}, {"id", simple(Kind::Int64)}}), {}}));
  const auto bound = session_->bind("select day, count(id) as n from raw.t group by day");
  ASSERT_EQ(said(bound), "ok");
  EXPECT_EQ(bound->result, Schema({{"day", simple(Kind::Date)}, {"n", simple(Kind::Int64)}}));
  EXPECT_HAS(said(session_->bind("select nope from raw.t")), "invalid: ");
}

TEST_P(EngineContract, ATreeBecomesItsTextAgain) {
  const auto tree = session_->parse("select a + 1 as b from t where c = 'it''s'");
  ASSERT_EQ(said(tree), "ok");
  const auto text = session_->unparse(*tree);
  ASSERT_EQ(said(text), "ok");
  EXPECT_EQ(session_->parse(*text)->dump(), session_->parse(*session_->unparse(*tree))->dump());
  EXPECT_HAS(*text, "it''s");
}

// Stopping ----------------------------------------------------------------------------------------

const std::string kRunaway =
    "select count(*) as n from range(1000000) a(i), range(1000000) b(i) where hash(a.i, b.i) % 7 = "
    "3";

TEST_P(EngineContract, OneCancelEndsAQuery) {
  Result<Json> value = 0;
  cancel_once([&] { return session_->progress().has_value(); },
              [&] { value = session_->scalar(kRunaway); });
  EXPECT_HAS(said(value), "cancelled");
  EXPECT_EQ(ask("select 1"), "1") << "the session works on";
}

TEST_P(EngineContract, OneCancelEndsAWriteWhereverItIs) {
  const std::string rows = "select i % 400 as p, i from range(400000) t(i)";
  struct Case {
    std::string why;
    std::string select;
    ParquetWrite write;
  };
  const std::vector<Case> cases = {
      {"one statement",
       "select a.i as x from range(1000000) a(i), range(1000000) b(i)",
       {.folder = folder_.path()}},
      {"many partitions, one after the other",
       rows,
       {.folder = folder_.path(), .partition_by = {"p"}, .ordered = true}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Result<std::vector<WrittenFile>> files = std::vector<WrittenFile>();
    cancel_once([&] { return files_in(folder_.path()) > 0; },
                [&] { files = session_->write_parquet(c.select, c.write); });
    EXPECT_HAS(said(files), "cancelled");
    EXPECT_EQ(files_in(folder_.path()), 0U);
    EXPECT_EQ(ask("select 1"), "1") << "the session works on";
  }
}

TEST_P(EngineContract, OneCancelEndsALoad) {
  Endless rows([&](int batch) {
    if (batch == 5) session_->cancel();
  });
  EXPECT_HAS(said(session_->load("t", rows)), "cancelled");
  EXPECT_HAS(ask("select * from t"), "invalid") << "nothing of it stays";
}

TEST_P(EngineContract, OneCancelEndsAnAnswerThatIsBeingRead) {
  const auto rows = session_->query("select i from range(100000000) t(i)");
  ASSERT_EQ(said((*rows)->next()), "ok");
  session_->cancel();
  auto batch = (*rows)->next();
  EXPECT_HAS(said(batch), "cancelled");
}

TEST_P(EngineContract, ACancelWhileNothingRunsEndsNothing) {
  session_->cancel();
  EXPECT_EQ(ask("select 1"), "1");
}

}  // namespace millrace::engine
