#include "ingest/land.h"

#include "ingest/land_fixture.h"

namespace millrace::ingest {
namespace {

TEST_F(Land, PutsEveryRowIntoThePartitionOfItsEventWithWhereItCameFrom) {
  deliver_three_days();
  const auto report = world_.land("2013-01-03T00:00:00Z");
  ASSERT_OK(report);
  EXPECT_EQ(report->deliveries_landed, 2);
  EXPECT_EQ(report->rows_landed, 4);
  EXPECT_EQ(report->rows_late, 1);
  EXPECT_EQ(report->partitions, 2);
  EXPECT_TRUE(report->changed);
  EXPECT_EQ(
      world_.rows("raw.flights"),
      (std::vector<std::string>{
          "1|2013-01-01T10:00:00Z|5|2013-01-01T12:00:00Z|flights-2013-01-01.jsonl|1|2013-01-01",
          "2|2013-01-01T11:00:00Z|5|2013-01-01T13:00:00Z|flights-2013-01-01.jsonl|2|2013-01-01",
          "3|2013-01-01T23:30:00Z|5|2013-01-02T01:00:00Z|flights-2013-01-02.jsonl.gz|1|"
          "2013-01-01",
          "4|2013-01-02T10:00:00Z|5|2013-01-02T12:00:00Z|flights-2013-01-02.jsonl.gz|2|"
          "2013-01-02"}));
  EXPECT_EQ(world_.snapshot()->partition_columns(), std::vector<std::string>{"event_date"});
  EXPECT_EQ(world_.rows("raw.flights__rejected"), std::vector<std::string>{"no table"});
}

TEST_F(Land, KeepsABadRowWithItsReasonAndLandsTheOthers) {
  world_.deliver("flights-2013-01-01.jsonl",
                 flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z") +
                     flight(2, "2013-01-01T11:00:00Z", "2013-01-01T13:00:00Z", "\"five\"") +
                     "{\"id\": \xff}\n" +
                     flight(3, "2013-01-01T11:00:00Z", "2013-01-01T13:00:00Z") +
                     flight(4, "2013-01-01T11:00:00Z", "2013-01-01T13:00:00Z"));
  const auto report = world_.land("2013-01-02T00:00:00Z");
  ASSERT_OK(report);
  EXPECT_EQ(report->rows_read, 5);
  EXPECT_EQ(report->rows_rejected, 2);
  EXPECT_EQ(
      report->first_rejected,
      (std::vector<std::string>{
          "flights-2013-01-01.jsonl:2: column \"delay\" is INTEGER, found the string \"five\"",
          "flights-2013-01-01.jsonl:3: is not valid UTF-8"}));
  expect_ids({"1", "3", "4"});
  EXPECT_EQ(world_.rows("raw.flights__rejected", "*", "row_number"),
            (std::vector<std::string>{
                "flights|flights-2013-01-01.jsonl|2|column \"delay\" is INTEGER, found the string "
                "\"five\"|delay|{\"id\": 2, \"departs\": \"2013-01-01T11:00:00Z\", \"delay\": "
                "\"five\", \"landed\": \"2013-01-01T13:00:00Z\"}|2013-01-01T23:59:59.999999Z",
                "flights|flights-2013-01-01.jsonl|3|is not valid UTF-8|-|{\"id\": "
                "\\xFF}|2013-01-01T23:59:59.999999Z"}));
}

TEST_F(Land, RefusesAllForOneDeliveryThatCannotBeReadAndKeepsTheReasonOnce) {
  deliver_three_days();
  const std::string whole = gzipped(flight(3, "2013-01-01T23:30:00Z", "2013-01-02T01:00:00Z"));
  world_.deliver("flights-2013-01-02.jsonl.gz", whole.substr(0, whole.size() - 9));
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto report = world_.land("2013-01-04T00:00:00Z");
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), ErrorCode::Corruption);
    EXPECT_TRUE(report.error().message().starts_with(
        "landing raw.flights: 1 of 3 deliveries cannot be landed, so nothing was landed: "
        "flights-2013-01-02.jsonl.gz ends in the middle of its gzip data"))
        << report.error().message();
    expect_ids({"no table"});
    EXPECT_EQ(world_.rows("raw.flights__rejected", "file, row_number, raw", "file"),
              std::vector<std::string>{"flights-2013-01-02.jsonl.gz|-|-"});
  }
  world_.deliver("flights-2013-01-02.jsonl.gz", whole);
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  expect_ids({"1", "2", "3", "5"});
}

TEST_F(Land, AFaultThatManyDeliveriesHaveIsToldOnce) {
  deliver_three_days();
  for (const char* day : {"01", "02", "03"})
    world_.deliver("flights-2013-01-" + std::string(day) + ".jsonl", "");
  world_.deliver("flights-2013-01-02.jsonl.gz", "");
  const auto report = world_.land("2013-01-04T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_NE(
      report.error().message().find(
          "so nothing was landed: flights-2013-01-01.jsonl is empty: it holds no byte of data; "
          "deliver "
          "it again with its rows (and the same of 3 more, up to flights-2013-01-03.jsonl). Bad"),
      std::string::npos)
      << report.error().message();
}

TEST_F(Land, RefusesADeliveryWithTooManyBadRows) {
  std::string text;
  for (int id = 0; id < 40; ++id)
    text += flight(id, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z", id < 11 ? "true" : "1");
  world_.deliver("flights-2013-01-01.jsonl", text);
  const auto report = world_.land("2013-01-02T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::DataQuality);
  EXPECT_NE(report.error().message().find(
                "flights-2013-01-01.jsonl: 11 of 40 rows are bad, 10 are allowed (max_bad_share "
                "0.01, at least 10 rows, at most half); the first: flights-2013-01-01.jsonl:1: "
                "column \"delay\" is INTEGER, found "
                "true"),
            std::string::npos)
      << report.error().message();
  expect_ids({"no table"});
  EXPECT_EQ(world_.rows("raw.flights__rejected", "row_number", "row_number").size(), 11U);
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z", 1,
                        [](LandSpec& spec) { spec.limits.max_bad_share = 0.3; }));
  EXPECT_EQ(world_.ids().size(), 29U);
  EXPECT_EQ(world_.rows("raw.flights__rejected", "row_number", "row_number").size(), 11U);
}

TEST_F(Land, CanLeaveABadDeliveryOutUntilItIsWhole) {
  const auto skip = [](LandSpec& spec) { spec.on_bad_file = OnBadFile::Skip; };
  deliver_three_days();
  world_.deliver("flights-2013-01-02.jsonl.gz", "");
  const auto report = world_.land("2013-01-03T00:00:00Z", 1, skip);
  ASSERT_OK(report);
  ASSERT_EQ(report->skipped.size(), 1U);
  EXPECT_TRUE(report->skipped[0].starts_with("flights-2013-01-02.jsonl.gz is empty"));
  EXPECT_EQ(report->deliveries_landed, 1);
  expect_ids({"1", "2"});
  deliver_three_days();
  const auto next = world_.land("2013-01-04T00:00:00Z", 1, skip);
  ASSERT_OK(next);
  EXPECT_EQ(next->deliveries_landed, 2);
  expect_ids({"1", "2", "3", "4", "5"});
}

TEST_F(Land, RefusesALinkByNameAndReportsWhatHasNoRows) {
  deliver_three_days();
  const std::filesystem::path in = folder_.path() + "/in";
  std::filesystem::rename(in / "flights-2013-01-01.jsonl", in / "real");
  std::filesystem::create_symlink("real", in / "flights-2013-01-01.jsonl");
  std::filesystem::create_symlink("nowhere", in / "flights-2013-01-02.jsonl");
  world_.deliver("flights-2013-13-03.jsonl", "x");
  const auto report = world_.land("2013-01-04T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message().find(
                "1 of 3 deliveries cannot be landed, so nothing was landed: "
                "flights-2013-01-01.jsonl is a symbolic link to a file, which is not followed"),
            std::string::npos)
      << report.error().message();
  const auto skipping = world_.land("2013-01-04T00:00:00Z", 1,
                                    [](LandSpec& spec) { spec.on_bad_file = OnBadFile::Skip; });
  ASSERT_OK(skipping);
  EXPECT_EQ(skipping->skipped.size(), 1U);
  EXPECT_EQ(skipping->passed_over,
            (std::vector<std::string>{
                "flights-2013-01-02.jsonl is a symbolic link that leads nowhere",
                "flights-2013-13-03.jsonl nearly fits 'flights-{date}.jsonl*', but has no day "
                "where {date} stands"}));
  expect_ids({"3", "4", "5"});
  std::filesystem::rename(in / "real", in / "flights-2013-01-01.jsonl");
  ASSERT_OK(world_.land("2013-01-05T00:00:00Z"));
  expect_ids({"1", "2", "3", "4", "5"});
}

TEST_F(Land, GivesTheSameTableWithAnyNumberOfThreads) {
  std::string hash;
  for (const int threads : {1, 7}) {
    const TemporaryFolder folder = *TemporaryFolder::make();
    World world(folder.path());
    for (int day = 1; day <= 9; ++day) {
      std::string text;
      for (int id = 0; id < 500 * (day % 3) + 100; ++id)
        text += flight(
            id, "2013-01-0" + std::to_string(day - (id % 7 == 0 && day > 1 ? 1 : 0)) + "T10:00:00Z",
            "2013-01-0" + std::to_string(day) + "T12:00:00Z");
      world.deliver("flights-2013-01-0" + std::to_string(day) + ".jsonl.gz", gzipped(text));
    }
    ASSERT_OK(
        world.land("2013-02-01T00:00:00Z", 1, [&](LandSpec& spec) { spec.threads = threads; }));
    if (hash.empty()) hash = world.snapshot()->content_hash();
    EXPECT_EQ(world.snapshot()->content_hash(), hash);
  }
}

TEST_F(Land, TakesACsvWithoutDateAsItWasDeclared) {
  FileSourceSpec spec;
  spec.name = "planes";
  spec.pattern = "planes.csv";
  spec.format = FileFormat::Csv;
  spec.delivered = at("2013-01-01T00:00:00Z");
  spec.columns = Schema({{"tail", simple(Kind::String), false}, {"seats", simple(Kind::Int32)}});
  world_.open_source(spec);
  world_.deliver("planes.csv", "seats,tail\n55,N1\nmany,N2\n,N3\n4,N4\n");
  const auto report =
      world_.land("2013-01-06T00:00:00Z", 1, [](LandSpec& land) { land.event_time.clear(); });
  ASSERT_OK(report);
  EXPECT_EQ(report->rows_late, 0);
  EXPECT_EQ(world_.rows("raw.flights"),
            (std::vector<std::string>{"N1|55|2013-01-01T00:00:00Z|planes.csv|2",
                                      "N3|-|2013-01-01T00:00:00Z|planes.csv|4",
                                      "N4|4|2013-01-01T00:00:00Z|planes.csv|5"}));
}

TEST_F(Land, AddsAColumnThatTheSourceDeclaresAnew) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  FileSourceSpec spec = flights();
  std::vector<Field> fields = spec.columns.fields();
  fields.push_back({"carrier", simple(Kind::String), true});
  spec.columns = Schema(fields);
  world_.open_source(spec);
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  EXPECT_EQ(world_.rows("raw.flights", "id, carrier", "id").back(), "5|-");
}

TEST_F(Land, SaysWhyNothingIsDelivered) {
  world_.deliver("other/flights-2013-01-01.jsonl", "");
  FileSourceSpec spec = flights();
  world_.open_source(spec);
  const auto said = [&](const std::string& before) {
    const auto report = world_.land(before);
    return report.ok() ? report->why_nothing : report.error().message();
  };
  const std::string nothing = said("2013-01-02T00:00:00Z");
  EXPECT_NE(nothing.find("before 2013-01-02T00:00:00Z: no file fits the pattern "
                         "'flights-{date}.jsonl*', and there is no other; check"),
            std::string::npos)
      << nothing;
  deliver_three_days();
  const std::string later = said("2013-01-01T00:00:00Z");
  EXPECT_NE(later.find(": the first of 3 files, flights-2013-01-01.jsonl was delivered at "
                       "2013-01-01T23:59:59.999999Z; check"),
            std::string::npos)
      << later;
  ASSERT_OK(world_.land("2013-01-04T00:00:00Z"));
  EXPECT_EQ(said("2013-01-05T00:00:00Z"), "");

  spec.pattern = "flight-{date}.jsonl";
  world_.open_source(spec);
  EXPECT_EQ(said("2013-01-06T00:00:00Z"),
            "no file fits the pattern 'flight-{date}.jsonl'; there is "
            "flights-2013-01-01.jsonl and 2 more");
}

TEST_F(Land, SaysThatAFileWithoutADateIsDeliveredWhenItWasWritten) {
  world_.deliver("flights.jsonl", flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z"));
  FileSourceSpec spec = flights();
  spec.pattern = "flights.jsonl";
  world_.open_source(spec);
  const auto report = world_.land("2013-01-02T00:00:00Z");
  ASSERT_FALSE(report.ok());
  const std::string& said = report.error().message();
  EXPECT_NE(said.find(": flights.jsonl was delivered at 20"), std::string::npos) << said;
  EXPECT_NE(said.find(", when it was last written; put {date} into the pattern, or say with "
                      "'delivered' when it came; check"),
            std::string::npos)
      << said;
}

TEST_F(Land, SaysHowToGoOnWhenTheSourceNoLongerFitsItsTable) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z"));
  const std::string remedy =
      "; take that back, or give the table of the source another name ('table: raw.flights_2')";
  const auto refused = [&](const std::function<void(LandSpec&)>& change) {
    const auto report = world_.land("2013-01-03T00:00:00Z", 1, change);
    EXPECT_FALSE(report.ok());
    return report.ok() ? "" : report.error().message();
  };
  const std::string partition = refused([](LandSpec& spec) { spec.event_time = ""; });
  EXPECT_NE(partition.find("the table is partitioned by event_date, and the source no longer names "
                           "its 'event_time'" +
                           remedy),
            std::string::npos)
      << partition;

  FileSourceSpec spec = flights();
  spec.columns = Schema({{"id", simple(Kind::Int64), false},
                         {"departs", simple(Kind::Timestamp), false},
                         {"delay", simple(Kind::Float64), true},
                         {"landed", simple(Kind::Timestamp), false}});
  world_.open_source(spec);
  const std::string type = refused({});
  EXPECT_NE(type.find("the column 'delay' is INTEGER in the table, and the source declares DOUBLE "
                      "now" +
                      remedy),
            std::string::npos)
      << type;

  world_.open_source(flights());
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
}

TEST_F(Land, SaysThatATableWithoutPartitionsCannotGetAnEventTime) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z", 1, [](LandSpec& spec) { spec.event_time = ""; }));
  const auto report = world_.land("2013-01-03T00:00:00Z");
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message().find("the table was made without an 'event_time'"),
            std::string::npos)
      << report.error().message();
}

TEST_F(Land, RefusesAnotherEventTimeThanTheRowsThatAreThereHave) {
  deliver_three_days();
  ASSERT_OK(world_.land("2013-01-02T00:00:00Z"));
  const auto moved = [](LandSpec& spec) { spec.event_time = "landed"; };
  const auto report = world_.land("2013-01-03T00:00:00Z", 1, moved);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::Invalid);
  EXPECT_NE(report.error().message().find(
                "its rows are partitioned by the day of 'departs', and the source's 'event_time' "
                "is 'landed' now; take that back, or give the table of the source another name"),
            std::string::npos)
      << report.error().message();
  expect_ids({"1", "2"});
  ASSERT_OK(world_.land("2013-01-03T00:00:00Z"));
  expect_ids({"1", "2", "3", "4"});
}

TEST_F(Land, ReportsMembersThatNobodyDeclared) {
  world_.deliver(
      "flights-2013-01-01.jsonl",
      "{\"gate\": 4, " + flight(1, "2013-01-01T10:00:00Z", "2013-01-01T12:00:00Z").substr(1));
  const auto report = world_.land("2013-01-02T00:00:00Z");
  ASSERT_OK(report);
  EXPECT_EQ(report->unknown_members, (std::map<std::string, std::int64_t>{{"gate", 1}}));
}

TEST_F(Land, RefusesASpecThatCannotBe) {
  deliver_three_days();
  struct Case {
    const char* why;
    std::function<void(LandSpec&)> change;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"writer", [](auto& s) { s.writer.app_id = ""; }, "needs a writer"},
      {"generation", [](auto& s) { s.writer.generation = 0; }, "needs a writer"},
      {"column", [](auto& s) { s.event_time = "depart"; },
       "which source flights does not declare; did you mean 'departs'?"},
      {"nullable", [](auto& s) { s.event_time = "delay"; }, "must be a required TIMESTAMP"},
      {"taken", [](auto& s) { s.partition = "ID"; }, "have a column \"ID\" already"},
      {"share", [](auto& s) { s.limits.max_bad_share = 2; }, "a share from 0 to 1"},
      {"too early", [](auto& s) { s.before = at("2012-01-01"); },
       "has delivered nothing before 2012-01-01T00:00:00Z"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const auto report = world_.land("2013-01-03T00:00:00Z", 1, c.change);
    ASSERT_FALSE(report.ok());
    EXPECT_NE(report.error().message().find(c.message), std::string::npos)
        << report.error().message();
  }
}

}  // namespace
}  // namespace millrace::ingest
