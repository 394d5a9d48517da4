#include "ingest/file_source.h"

#include <functional>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "ingest/file_source_fixture.h"
#include "ingest/source_contract.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;
using columnar::Schema;
using columnar::simple;

TEST(FileSource, ReadsJsonLinesPlainAndPacked) {
  const std::string text =
      "{\"id\": 1, \"delay\": -5, \"carrier\": \"UA\"}\n\r\n{\"carrier\":\"\\u00fc\",\"id\":2}\r\n"
      "{\"id\": 3.0, \"delay\": null, \"carrier\": null}";
  const std::vector<std::string> rows = {row("1|-5|UA", 1), row("2|-|ü", 3), row("3|-|-", 4)};
  EXPECT_EQ(Folder().read(text).rows, rows);
  EXPECT_EQ(Folder().read(gzipped(text)).rows, rows);
  EXPECT_EQ(Folder()
                .read(gzipped(text.substr(0, 50)) + gzipped(text.substr(50)) + std::string(3, '\0'))
                .rows,
            rows);
  EXPECT_EQ(Folder().read("\xEF\xBB\xBF" + text).rows, rows);
}

TEST(FileSource, NamesWhatNearlyFits) {
  Folder folder;
  const auto source = folder.source({});
  for (const char* path :
       {"in/flights-2013-01-05.x", "in/flights-2013-13-03.x", "in/flights-2013-1-3", "in/flights-x",
        "in/flights-", "in/flights-20130105", "in/flights-2013/01/05", "in/other-2013-13-03.x"})
    ASSERT_TRUE(folder.store->put(path, "x").ok());
  EXPECT_EQ(source->list(Instant::max())->size(), 2U);
  std::vector<std::string> paths;
  const auto found = *source->passed_over(Instant::max());
  for (const PassedOver& passed : found) {
    paths.push_back(passed.path);
    EXPECT_EQ(passed.why, "nearly fits 'in/flights-{date}*', but has no day where {date} stands");
    EXPECT_FALSE(passed.has_rows);
  }
  EXPECT_EQ(paths, (std::vector<std::string>{"in/flights-2013-1-3", "in/flights-2013-13-03.x"}));
}

TEST(FileSource, RejectsABadRowWithItsReasonAndReadsOn) {
  struct Case {
    const char* why;
    std::string line;
    std::string reason;
    std::string column;
  };
  const std::vector<Case> cases = {
      {"an integer became a string", R"({"id": "12"})",
       R"(column "id" is INTEGER, found the string "12")", "id"},
      {"an integer became a fraction", R"({"id": 1.5})",
       R"(column "id" is INTEGER, found the number 1.5)", "id"},
      {"an integer became a boolean", R"({"id": true})", R"(column "id" is INTEGER, found true)",
       "id"},
      {"an integer became an object", R"({"id": {"a": 1}})",
       R"(column "id" is INTEGER, found an object)", "id"},
      {"a string became a number", R"({"id": 1, "carrier": 5})",
       R"(column "carrier" is VARCHAR, found the number 5)", "carrier"},
      {"out of range", R"({"id": 1, "delay": 40000})",
       R"(column "delay" is SMALLINT, 40000 is out of its range -32768 to 32767)", "delay"},
      {"beyond 64 bits", R"({"id": 99999999999999999999})",
       R"(column "id" is INTEGER, 99999999999999999999 is out of its range -2147483648 to 2147483647)",
       "id"},
      {"required, missing", R"({"delay": 1})", R"(column "id" is required and is missing)", "id"},
      {"required, null", R"({"id": null})", R"(column "id" is required and is null)", "id"},
      {"stands twice", R"({"id": 1, "id": 2})", R"(member "id" stands twice)", "id"},
      {"no object", R"([1, 2])", R"(is not a JSON object: "[1, 2]")", ""},
      {"two objects in a line", R"({"id": 1} {"id": 2})",
       "is not valid JSON: text after the object", ""},
      {"invalid UTF-8", "{\"id\": 1, \"carrier\": \"\xff\xfe\"}", "is not valid UTF-8", ""},
      {"a NUL byte", std::string("{\"id\": 1, \"carrier\": \"a\0b\"}", 27), "holds a NUL byte", ""},
      {"an escaped NUL", R"({"id": 1, "carrier": "a\u0000b"})",
       R"(column "carrier" holds a NUL byte)", "carrier"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const ReadBack back = Folder().read("{\"id\": 7}\n" + c.line + "\n{\"id\": 8}\n");
    EXPECT_EQ(back.error, "");
    EXPECT_EQ(back.rows, (std::vector<std::string>{row("7|-|-", 1), row("8|-|-", 3)}));
    ASSERT_EQ(back.letters.size(), 1U);
    EXPECT_EQ(back.rejected[0], "2: " + c.reason);
    EXPECT_EQ(back.letters[0].column_name, c.column);
    EXPECT_EQ(back.letters[0].raw, readable_text(c.line));
  }
}

TEST(FileSource, RejectsWhatIsNotJson) {
  for (const std::string line :
       {"{\"id\": 1", "{\"id\" 1}", "{\"id\": 01}", "{\"id\": 1,}", "{id: 1}", "{\"id\": nul}",
        "{\"id\": 1, \"carrier\": \"\\x\"}", "{\"id\": 1, \"other\": [1, tru]}", "{", "}", "x",
        "{\"id\": 1, \"other\": 1.}", "{\"id\": 1}}", "{\"id\": 1, \"carrier\": \"\\ud800\"}"}) {
    SCOPED_TRACE(line);
    const ReadBack back = Folder().read("{\"id\": 7}\n" + line + "\n{\"id\": 8}\n");
    EXPECT_EQ(back.rows.size(), 2U);
    ASSERT_EQ(back.rejected.size(), 1U);
    EXPECT_TRUE(back.rejected[0].starts_with("2: is not ")) << back.rejected[0];
  }
}

TEST(FileSource, RefusesAFileThatIsReplacedWhileItIsRead) {
  const std::string line = R"({"id": 1, "carrier": "UA"})"
                           "\n";
  std::string text;
  while (text.size() < (5U << 20U)) text += line;
  struct Case {
    const char* why;
    std::function<void(storage::ObjectStore&, const std::string&)> change;
    const char* message;
  };
  const std::vector<Case> cases = {
      {"another file of its size",
       [](auto& store, const auto& path) {
         ASSERT_TRUE(store.put(path, std::string(store.head(path)->size_bytes, 'x')).ok());
       },
       "was written anew while it was read; run again to land what is there now"},
      {"a line more",
       [](auto& store, const auto& path) {
         ASSERT_TRUE(store.put(path, *store.get(path) + "{}").ok());
       },
       "bytes while it was read"},
      {"nothing", [](auto& store, const auto& path) { ASSERT_TRUE(store.remove(path).ok()); },
       "was taken away while it was read"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    ManualClock clock(at("2013-01-06"));
    Folder folder{storage::make_memory_store(&clock)};
    ASSERT_TRUE(folder.store->put("in/flights-2013-01-05", text).ok());
    const auto source = folder.source({});
    const Delivery delivery = source->list(Instant::max())->at(0);
    const auto reader = *source->open(delivery);
    ASSERT_TRUE(reader->next().ok());
    clock.advance(std::chrono::seconds(1));
    c.change(*folder.store, delivery.path);
    Result<std::optional<Piece>> piece = reader->next();
    while (piece.ok() && piece->has_value()) piece = reader->next();
    ASSERT_FALSE(piece.ok());
    EXPECT_EQ(piece.error().code(), ErrorCode::Unavailable);
    EXPECT_NE(piece.error().message().find(c.message), std::string::npos)
        << piece.error().message();
    EXPECT_FALSE(source->content_hash(delivery).ok());
  }
}

TEST(FileSource, RejectsALineThatIsTooLongAndReadsOn) {
  const std::string longest(2 << 20, 'x');
  ReadBack back =
      Folder().read("{\"id\": 7}\n{\"id\": 9, \"carrier\": \"" + longest + "\"}\n{\"id\": 8}\n");
  EXPECT_EQ(back.rows, (std::vector<std::string>{row("7|-|-", 1), row("8|-|-", 3)}));
  EXPECT_EQ(back.rejected, std::vector<std::string>{"2: is longer than 1048576 bytes (max_line)"});
  EXPECT_EQ(back.letters[0].raw.size(), kRawBytes);
  back = Folder().read_csv("id,delay,carrier\n7,,\n9,,\"" + longest + "\"\n8,,\n9,," + longest);
  EXPECT_EQ(back.rows, (std::vector<std::string>{row("7|-|-", 2), row("8|-|-", 4)}));
  EXPECT_EQ(back.rejected.size(), 2U);
  EXPECT_EQ(back.rejected[0], "3: is longer than 1048576 bytes (max_line)");
}

TEST(FileSource, RefusesAFileThatIsEmptyCutOffOrDamaged) {
  const std::string packed = gzipped("{\"id\": 1}\n{\"id\": 2}\n");
  std::string damaged = packed;
  damaged[damaged.size() - 6] ^= 1;  // the checksum
  struct Case {
    const char* why;
    std::string content;
    ErrorCode code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"empty", "", ErrorCode::DataQuality, "is empty: it holds no byte of data"},
      {"packed nothing", gzipped(""), ErrorCode::DataQuality, "is empty: it holds no byte of data"},
      {"blank lines", "\n\n  \n", ErrorCode::DataQuality, "is empty: it holds blank lines only"},
      {"cut off", packed.substr(0, packed.size() - 10), ErrorCode::Corruption,
       "ends in the middle of its gzip data, after 24 bytes: it was cut off"},
      {"only the magic bytes", packed.substr(0, 2), ErrorCode::Corruption, "ends in the middle"},
      {"damaged", damaged, ErrorCode::Corruption, "holds damaged gzip data"},
      {"something behind it", packed + "x", ErrorCode::Corruption, "not gzip after the end"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const ReadBack back = Folder().read(c.content);
    EXPECT_EQ(back.code, c.code);
    EXPECT_TRUE(back.error.starts_with("in/flights-2013-01-05.x ")) << back.error;
    if (c.content.size() != packed.size() - 10) {
      EXPECT_NE(back.error.find(c.message), std::string::npos) << back.error;
    }
  }
}

TEST(FileSource, CountsKeepsOrRefusesMembersThatAreNotDeclared) {
  const std::string text =
      "{\"x\": {\"a\": [1, 1e999, \"\\u00fc\"]}, \"id\": 1}\n{\"id\": 2, \"x\" : true , \"y\": "
      "null}\n";
  ReadBack back = Folder().read(text);
  EXPECT_EQ(back.rows.size(), 2U);
  EXPECT_EQ(back.counts.unknown_members, (std::map<std::string, std::int64_t>{{"x", 2}, {"y", 1}}));

  FileSourceSpec spec;
  spec.unknown = UnknownMembers::Keep;
  back = Folder().read(text, spec);
  EXPECT_EQ(back.rows[0], row(R"(1|-|-|{"x":{"a":[1,1e999,"\u00fc"]}})", 1));
  EXPECT_EQ(back.rows[1], row(R"(2|-|-|{"x":true,"y":null})", 2));

  spec.unknown = UnknownMembers::Refuse;
  back = Folder().read(text, spec);
  EXPECT_EQ(back.rejected[1], "2: member \"x\" has no declared column");
}

TEST(FileSource, KnowsWhenAFileIsComplete) {
  Folder folder;
  for (const char* path :
       {"in/flights-2013-03-09.jsonl", "in/flights-2013-03-10.jsonl", "in/flights-20130311.jsonl",
        "in/flights-2013-02-30.jsonl", "in/flights-.jsonl", "other/flights-2013-03-10.jsonl"})
    ASSERT_TRUE(folder.store->put(path, "{\"id\": 1}\n").ok());
  FileSourceSpec spec;
  spec.zone = *TimeZone::load("America/New_York");
  const auto source = folder.source(spec);
  const auto all = *source->list(Instant::max());
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(format_instant(all[0].delivered_at), "2013-03-10T04:59:59.999999Z");
  EXPECT_EQ(format_instant(all[1].delivered_at), "2013-03-11T03:59:59.999999Z");  // 23 hours
  EXPECT_EQ(source->list(at("2013-03-10T05:00:00Z"))->size(), 1U) << "its midnight sees the day";
  EXPECT_EQ(source->list(at("2013-03-10T04:59:59Z"))->size(), 0U);
}

TEST(FileSource, ATimeWithoutOffsetIsNoMomentInASourceOfAnotherZone) {
  const std::string text =
      "{\"at\": \"2013-01-05T10:00:00\"}\n{\"at\": \"2013-01-05T10:00:00-05:00\"}\n"
      "{\"at\": \"2013-01-05\"}\n";
  FileSourceSpec spec;
  spec.columns = Schema({{"at", simple(Kind::Timestamp)}});
  EXPECT_EQ(Folder().read(text, spec).rows.size(), 3U) << "in UTC there is no doubt";
  spec.zone = *TimeZone::load("America/New_York");
  const ReadBack back = Folder().read(text, spec);
  ASSERT_EQ(back.rows.size(), 1U);
  EXPECT_TRUE(back.rows[0].starts_with("2013-01-05T15:00:00Z|")) << back.rows[0];
  ASSERT_EQ(back.rejected.size(), 2U);
  EXPECT_NE(back.rejected[0].find("because the source's timezone is not UTC"), std::string::npos)
      << back.rejected[0];
}

TEST(FileSource, TakesTheDeclaredMomentOfAFileWithoutDate) {
  Folder folder;
  FileSourceSpec spec;
  spec.pattern = "in/*.x";
  spec.delivered = at("2013-01-01T00:00:00Z");
  EXPECT_EQ(folder.read("{\"id\": 1}", spec).rows[0],
            "1|-|-|2013-01-01T00:00:00Z|in/flights-2013-01-05.x|1|2013-01-01");
  spec.delivered.reset();
  const auto source = folder.source(spec);
  EXPECT_EQ(source->list(Instant::max())->at(0).delivered_at,
            folder.store->head("in/flights-2013-01-05.x")->modified);
}

TEST(FileSource, ARowIsThereFromTheEndOfTheDayOfItsFile) {
  FileSourceSpec spec;
  spec.pattern = "in/flights-{date}.x";
  spec.zone = *TimeZone::load("America/New_York");
  EXPECT_EQ(rows_before(spec, at("2013-01-05T16:30:00Z")), at("2013-01-05T16:30:00Z"))
      << "its moment is its file's already";
  spec.delivered_at_column = "landed";
  EXPECT_EQ(rows_before(spec, at("2013-01-05T16:30:00Z")), at("2013-01-05T05:00:00Z"))
      << "the file of the fifth is not there yet, whatever its rows say";
  EXPECT_EQ(rows_before(spec, at("2013-01-06T05:00:00Z")), at("2013-01-06T05:00:00Z"));
  EXPECT_EQ(rows_before(spec, at("2013-01-06T04:59:59Z")), at("2013-01-05T05:00:00Z"));
  spec.pattern = "in/*.x";
  spec.delivered = at("2013-01-07T00:00:00Z");
  EXPECT_LT(rows_before(spec, at("2013-01-07T00:00:00Z")), at("1970-01-01T00:00:00Z"));
  EXPECT_EQ(rows_before(spec, at("2013-01-07T00:00:01Z")), at("2013-01-07T00:00:01Z"));
  spec.delivered.reset();
  EXPECT_EQ(rows_before(spec, at("2013-01-05T16:30:00Z")), at("2013-01-05T16:30:00Z"));
}

TEST(FileSource, HoldsRowsToTheDayOfTheirFile) {
  FileSourceSpec spec;
  spec.columns =
      Schema({{"id", simple(Kind::Int32), false}, {"landed", simple(Kind::Timestamp), false}});
  spec.delivered_at_column = "landed";
  const ReadBack back = Folder().read(
      "{\"id\": 1, \"landed\": \"2013-01-05T10:00:00+01:00\"}\n"
      "{\"id\": 2, \"landed\": \"2013-01-04T23:59:59Z\"}\n"
      "{\"id\": 3, \"landed\": \"yesterday\"}\n"
      "{\"id\": 4, \"landed\": 1357381000}\n",
      spec);
  EXPECT_EQ(back.rows, std::vector<std::string>{
                           "1|2013-01-05T09:00:00Z|in/flights-2013-01-05.x|1|2013-01-05"});
  EXPECT_EQ(back.rejected,
            (std::vector<std::string>{
                "2: column \"landed\" says 2013-01-04T23:59:59Z, but this delivery holds what was "
                "delivered from 2013-01-05T00:00:00Z to 2013-01-05T23:59:59.999999Z",
                "3: column \"landed\" is TIMESTAMP WITH TIME ZONE, found the string \"yesterday\" "
                "(expected a time such as 2013-12-01T05:00:00Z)",
                "4: column \"landed\" is TIMESTAMP WITH TIME ZONE, found the number 1357381000 "
                "(expected a time such as 2013-12-01T05:00:00Z)"}));
}

TEST(FileSource, SaysWhichWordsAreBooleans) {
  FileSourceSpec spec;
  spec.columns = Schema({{"paid", simple(Kind::Boolean), true}});
  const ReadBack back = Folder().read("{\"paid\": \"yes\"}\n", spec);
  EXPECT_EQ(back.rejected,
            std::vector<std::string>{"1: column \"paid\" is BOOLEAN, found the string "
                                     "\"yes\" (expected true, false, t, f, 1 or 0)"});
}

TEST(FileSource, RefusesASpecThatCannotBe) {
  const auto store = storage::make_memory_store();
  struct Case {
    const char* why;
    std::function<void(FileSourceSpec&)> change;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"name", [](auto& s) { s.name = "a/b"; }, "source name \"a/b\" must be of letters"},
      {"pattern", [](auto& s) { s.pattern = "a-{day}"; }, "has a brace that is not {date}"},
      {"outside", [](auto& s) { s.pattern = "../x"; }, "without '/' at the front or '..'"},
      {"no columns", [](auto& s) { s.columns = Schema(); }, "no columns are declared"},
      {"ours", [](auto& s) { s.columns = Schema({{"_file", simple(Kind::String)}}); },
       "begins with '_'"},
      {"nested", [](auto& s) { s.columns = Schema({{"a", list_of(simple(Kind::String))}}); },
       "declare it VARCHAR"},
      {"twice",
       [](auto& s) {
         s.columns = Schema({{"a", simple(Kind::String)}, {"A", simple(Kind::String)}});
       },
       "declared twice"},
      {"delivered_at", [](auto& s) { s.delivered_at_column = "idd"; },
       "not a declared column; did you mean 'id'?"},
      {"its type", [](auto& s) { s.delivered_at_column = "id"; },
       "must be a required TIMESTAMP WITH TIME ZONE"},
      {"taken",
       [](auto& s) { s.columns = Schema({{"delivered_at", simple(Kind::Timestamp), false}}); },
       "set delivered_at to it"},
      {"line", [](auto& s) { s.max_line_bytes = 0; }, "it must be from 1 to"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    FileSourceSpec spec;
    spec.name = "flights";
    spec.pattern = "in/{date}";
    spec.columns = flight_columns();
    c.change(spec);
    const auto opened = open_file_source(spec, *store);
    ASSERT_FALSE(opened.ok());
    EXPECT_NE(opened.error().message().find(c.message), std::string::npos)
        << opened.error().message();
  }
}

/// Three days, the middle one with bad rows.
std::unique_ptr<Source> contract_source(FileFormat format, bool packed) {
  static std::vector<std::unique_ptr<storage::ObjectStore>> stores;
  auto& store = *stores.emplace_back(storage::make_memory_store());
  for (int day = 1; day <= 3; ++day) {
    std::string text = format == FileFormat::Csv ? "id,delay,carrier\n" : "";
    for (int id = 0; id < 9'000; ++id) {
      const std::string number = id % 900 == 3 && day == 2 ? "oops" : std::to_string(id);
      text += format == FileFormat::Csv ? number + ",1,UA\n"
                                        : "{\"id\": " + number + ", \"carrier\": \"UA\"}\n";
    }
    const std::string path = "in/flights-2013-01-0" + std::to_string(day) + ".x";
    EXPECT_TRUE(store.put(path, packed ? gzipped(text) : text).ok());
  }
  FileSourceSpec spec;
  spec.name = "flights";
  spec.pattern = "in/flights-{date}.x";
  spec.format = format;
  spec.columns = flight_columns();
  return *open_file_source(spec, store);
}

INSTANTIATE_TEST_SUITE_P(
    Files, SourceContract,
    testing::Values(SourceUnderTest{"JsonLines",
                                    [] { return contract_source(FileFormat::JsonLines, false); },
                                    at("2013-01-03T00:00:00Z")},
                    SourceUnderTest{"PackedCsv",
                                    [] { return contract_source(FileFormat::Csv, true); },
                                    at("2013-01-03T00:00:00Z")}),
    [](const auto& under_test) { return under_test.param.name; });

}  // namespace
}  // namespace millrace::ingest
