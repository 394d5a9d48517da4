// The small formats inside the log: URIs, schemas, values, statistics, deletion vectors, features.

#include <gtest/gtest.h>

#include "lake/deletion_vector.h"
#include "lake/lake_fixture.h"
#include "lake/protocol.h"
#include "lake/schema_json.h"
#include "lake/statistics.h"
#include "lake/uri.h"
#include "lake/value.h"

namespace millrace::lake {
namespace {

using columnar::Kind;
using columnar::Schema;

TEST(Uri, EveryPathComesBack) {
  for (const std::string path : {"a/b.parquet", "p=a b/x", "p=50%25/x", "100%", "%zz", "ü/日本",
                                 "a:b", "a+b&c?d#e", "'\""}) {
    EXPECT_EQ(decode_path(encode_path(path)), path);
  }
  EXPECT_EQ(encode_path("p=a b/x%20.parquet"), "p=a%20b/x%2520.parquet");
  EXPECT_EQ(decode_path("%"), "%");
  EXPECT_EQ(decode_path("%4"), "%4");
  EXPECT_EQ(decode_path("%41"), "A");
}

TEST(Uri, PlacesAreKeysOrPathsOrRefused) {
  EXPECT_EQ(good(locate("raw/t", "p%3D1/x")).place, "raw/t/p=1/x");
  EXPECT_EQ(good(locate("t", "file:///data/a%20b")).place, "/data/a b");
  EXPECT_TRUE(good(locate("t", "file:/data/x")).is_local_path);
  EXPECT_EQ(good(locate("t", "a:b.parquet")).place, "t/a:b.parquet");
  EXPECT_HAS(said(locate("t", "s3://bucket/x")),
             "unsupported: the log names a file of another store");
  EXPECT_HAS(said(locate("t", "../u/x")), "corruption: the log names a file outside of the table");
  EXPECT_HAS(said(locate("t", "a/%2e%2e/%2e%2e/x")), "corruption");
  EXPECT_EQ(canonical_path("file:///x"), canonical_path("/x"));
}

TEST(SchemaJson, EveryTypeComesBack) {
  const Schema schema(
      {{"b", columnar::simple(Kind::Boolean)},
       {"i8", columnar::simple(Kind::Int8)},
       {"i16", columnar::simple(Kind::Int16)},
       {"i32", columnar::simple(Kind::Int32)},
       {"i64", columnar::simple(Kind::Int64), false},
       {"f32", columnar::simple(Kind::Float32)},
       {"f64", columnar::simple(Kind::Float64)},
       {"dec", columnar::decimal(38, 10)},
       {"s", columnar::simple(Kind::String)},
       {"bin", columnar::simple(Kind::Binary)},
       {"d", columnar::simple(Kind::Date)},
       {"ts", columnar::simple(Kind::Timestamp)},
       {"ntz", columnar::simple(Kind::TimestampNtz)},
       {"l", columnar::list_of(columnar::struct_of({{"x y", columnar::simple(Kind::Int32)}}))},
       {"m", columnar::map_of(columnar::simple(Kind::String), columnar::simple(Kind::Float64))}});
  const TableSchema read = good(parse_schema(schema_json(schema), ColumnMapping::None));
  EXPECT_EQ(read.columns, schema);
  EXPECT_EQ(read.stored, schema.fields());
  EXPECT_TRUE(good(unmet_column_rules(schema_json(schema))).empty());
}

TEST(SchemaJson, ColumnsUnderAMappingHaveTheirNamesInTheFiles) {
  const std::string json =
      R"({"type":"struct","fields":[{"name":"a","type":{"type":"struct","fields":[)"
      R"({"name":"x","type":"long","nullable":true,"metadata":)"
      R"({"delta.columnMapping.id":2,"delta.columnMapping.physicalName":"col-2"}}]},)"
      R"("nullable":true,"metadata":)"
      R"({"delta.columnMapping.id":1,"delta.columnMapping.physicalName":"col-1"}}]})";
  const TableSchema read = good(parse_schema(json, ColumnMapping::Id));
  EXPECT_EQ(read.columns[0].name, "a");
  EXPECT_EQ(read.stored[0].name, "col-1");
  EXPECT_EQ(read.stored[0].type.children[0].name, "col-2");
  EXPECT_EQ(read.field_ids, (std::vector<std::optional<std::int64_t>>{1}));
  EXPECT_HAS(said(parse_schema(schema_json(Schema({{"a", columnar::simple(Kind::Date)}})),
                               ColumnMapping::Name)),
             "'a' has no physical name");
}

TEST(SchemaJson, WhatIsNotReadIsNamed) {
  const auto with_type = [](const std::string& type) {
    return said(parse_schema(R"({"type":"struct","fields":[{"name":"c","type":)" + type +
                                 R"(,"nullable":true,"metadata":{}}]})",
                             ColumnMapping::None));
  };
  EXPECT_EQ(with_type(R"("void")"), "unsupported: column 'c': the type 'void' is not read");
  EXPECT_EQ(with_type(R"("variant")"), "unsupported: column 'c': the type 'variant' is not read");
  EXPECT_HAS(with_type("\"decimal(39,0)\""), "out of range");
  EXPECT_HAS(with_type("\"decimal(5)\""), "is no type");
  EXPECT_HAS(with_type("\"decimal(5,2\""), "is no type");
  EXPECT_EQ(with_type(R"("decimal")"), "ok");
  EXPECT_HAS(with_type("5"), "column 'c'");
  EXPECT_HAS(said(parse_schema("{", ColumnMapping::None)), "corruption: the table's schema");
  EXPECT_HAS(said(parse_schema("{}", ColumnMapping::None)), "it is no struct");
}

TEST(SchemaJson, RulesForWritersAreFoundAtEveryDepth) {
  const std::string json =
      R"({"type":"struct","fields":[)"
      R"({"name":"g","type":"long","metadata":{"delta.generationExpression":"a + 1"}},)"
      R"({"name":"id","type":"long","metadata":{"delta.identity.start":1}},)"
      R"({"name":"l","type":{"type":"array","elementType":{"type":"struct","fields":[)"
      R"({"name":"x","type":"long","metadata":{"delta.invariants":"x > 0"}}]}}},)"
      R"({"name":"st","nullable":false,"type":{"type":"struct","fields":[)"
      R"({"name":"y","type":"long","nullable":false}]}}]})";
  const std::vector<std::string> rules = good(unmet_column_rules(json));
  EXPECT_EQ(rules, (std::vector<std::string>{
                       R"(column 'g' is generated as "a + 1")", "column 'id' is an identity column",
                       R"(column 'l.x' has the invariant "x > 0")", "column 'st' may not be null",
                       "'st.y' may not be null"}));
}

TEST(Protocol, WhatWeDoNotKnowIsRefusedByName) {
  const Metadata plain{.schema = schema_json(Schema({{"a", columnar::simple(Kind::Int32)}}))};
  EXPECT_TRUE(check_readable({1, 2}).ok());
  EXPECT_TRUE(check_readable({3, 7, {"deletionVectors"}, {"deletionVectors", "rowTracking"}}).ok());
  EXPECT_HAS(said(check_readable({3, 7, {"deletionVectors", "catalogManaged"}, {}})),
             "it uses catalogManaged, which we do not know");
  EXPECT_HAS(said(check_readable({4, 8})), "readers of version 4");
  EXPECT_HAS(said(check_readable({3, 5})), "do not go together");
  EXPECT_TRUE(check_writable({1, 6}, plain).ok());
  EXPECT_HAS(said(check_writable({3, 7, {}, {"rowTracking", "clustering", "appendOnly"}}, plain)),
             "it uses rowTracking, which we do not know, it uses clustering");
  Metadata constrained = plain;
  constrained.configuration["delta.constraints.positive"] = "a > 0";
  EXPECT_HAS(said(check_writable({1, 3}, constrained)), "the constraint positive: a > 0");
  Metadata mapped = plain;
  mapped.configuration["delta.columnMapping.mode"] = "name";
  EXPECT_HAS(said(check_writable({2, 5}, mapped)), "delta.columnMapping.mode");
  EXPECT_TRUE(check_writable({1, 2}, mapped).ok()) << "not in force without the protocol";
  mapped.configuration["delta.columnMapping.mode"] = "telepathy";
  EXPECT_HAS(said(column_mapping({2, 5}, mapped)), "'telepathy'");
}

TEST(Protocol, AppendOnlyCountsWhereTheFeatureIsInForce) {
  const Metadata metadata{.configuration = {{"delta.appendOnly", "true"}}};
  EXPECT_TRUE(is_append_only({1, 2}, metadata));
  EXPECT_FALSE(is_append_only({1, 1}, metadata));
  EXPECT_FALSE(is_append_only({3, 7, {}, {"deletionVectors"}}, metadata));
}

TEST(Value, ComparesAsTheEngineDoes) {
  const auto value = [](const columnar::DataType& type, std::string_view text) {
    return parse_value(type, text);
  };
  const auto moment = columnar::simple(Kind::Timestamp);
  EXPECT_EQ(value(moment, "2013-12-01T05:00:00Z"), value(moment, "2013-12-01 05:00:00"));
  EXPECT_EQ(value(moment, "2013-12-01 05:00:00.5+00"),
            value(moment, "2013-12-01T05:00:00.500000Z"));
  EXPECT_LT(value(columnar::simple(Kind::Int32), "9"), value(columnar::simple(Kind::Int32), "10"));
  EXPECT_LT(value(columnar::decimal(9, 2), "-1.5"), value(columnar::decimal(9, 2), "-1.49"));
  EXPECT_EQ(value(columnar::decimal(9, 2), "1.5"), value(columnar::decimal(9, 2), "1.500"));
  EXPECT_EQ(value(columnar::decimal(9, 2), "1.505"), std::nullopt);
  EXPECT_LT(value(columnar::simple(Kind::Date), "1999-12-31"),
            value(columnar::simple(Kind::Date), "2000-01-01"));
  for (const auto& [kind, text] :
       std::vector<std::pair<Kind, std::string>>{{Kind::Int32, "1.5"},
                                                 {Kind::Int32, ""},
                                                 {Kind::Int64, "99999999999999999999"},
                                                 {Kind::Float64, "nan"},
                                                 {Kind::Boolean, "TRUE"},
                                                 {Kind::Date, "2013-13-01"},
                                                 {Kind::Date, "2013-12-01T00:00:00Z"},
                                                 {Kind::Timestamp, "noon"}}) {
    EXPECT_EQ(value(columnar::simple(kind), text), std::nullopt) << text;
  }
}

TEST(Statistics, CutTextsStayBounds) {
  struct Case {
    std::string why;
    std::string text;
    std::size_t characters;
    std::string below;
    std::optional<std::string> above;
  };
  const std::vector<Case> cases = {
      {"short enough", "abc", 3, "abc", "abc"},
      {"the next letter", "abcd", 3, "abc", "abd"},
      {"characters, not bytes", "üüüü", 3, "üüü", "üüý"},
      {"into more bytes", "\x7F\x7F", 1, "\x7F", "\u0080"},
      {"the last character has no next", "a\U0010FFFFx", 2, "a\U0010FFFF", "b"},
      {"nothing is greater", "\U0010FFFF\U0010FFFFx", 2, "\U0010FFFF\U0010FFFF", std::nullopt},
      {"surrogates are left out", "\uD7FFx", 1, "\uD7FF", "\uE000"},
      {"empty", "", 3, "", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    EXPECT_EQ(cut_below(c.text, c.characters), c.below);
    EXPECT_EQ(cut_above(c.text, c.characters), c.above);
    EXPECT_LE(c.below, c.text);
    if (c.above) {
      EXPECT_GE(*c.above, c.text);
    }
  }
}

TEST(Statistics, OnlyTheFirstColumnsAreIndexed) {
  engine::WrittenFile file{.row_count = 2};
  std::vector<columnar::Field> fields;
  for (int i = 0; i < 40; ++i) {
    fields.push_back({"c" + std::to_string(i), columnar::simple(Kind::Int32)});
    file.statistics[fields.back().name] = {"1", "2", 0, false};
  }
  const Schema schema(fields);
  const auto indexed = [&](const std::vector<std::string>& partitions, int limit) {
    return good(Json::parse(statistics_json(file, schema, partitions, limit)))["minValues"]
        .as_object()
        .size();
  };
  EXPECT_EQ(indexed({}, kIndexedColumns), 32U);
  EXPECT_EQ(indexed({}, -1), 40U);
  EXPECT_EQ(indexed({}, 0), 0U);
  EXPECT_EQ(indexed({"c0"}, 1), 1U);
  EXPECT_EQ(FileStatistics::parse("not json").row_count(), std::nullopt);
  EXPECT_EQ(FileStatistics::parse("[]").null_count("a"), std::nullopt);
}

/// Little-endian numbers of a size.
std::string bytes_of(std::initializer_list<std::pair<std::uint64_t, int>> numbers) {
  std::string bytes;
  for (auto [number, size] : numbers) {
    for (int i = 0; i < size; ++i, number >>= 8U) bytes += static_cast<char>(number & 0xFFU);
  }
  return bytes;
}

const std::string kOneBitmap = bytes_of({{1681511377, 4}, {1, 8}, {0, 4}});

TEST(DeletionVectorBytes, ArraysBitsetsAndRunsAreRead) {
  // One array container under key 1 with the values 3 and 7.
  const std::string array =
      kOneBitmap + bytes_of({{12346, 4}, {1, 4}, {1, 2}, {1, 2}, {16, 4}, {3, 2}, {7, 2}});
  EXPECT_EQ(good(parse_row_bitmap(array, 2)), (std::vector<std::int64_t>{65539, 65543}));
  // One run container: 5 to 8. The cookie holds the number of containers less one.
  const std::string runs =
      kOneBitmap + bytes_of({{12347, 4}, {1, 1}, {0, 2}, {3, 2}, {1, 2}, {5, 2}, {3, 2}});
  EXPECT_EQ(good(parse_row_bitmap(runs, 4)), (std::vector<std::int64_t>{5, 6, 7, 8}));
  std::string bits(8192, '\0');
  bits[0] = '\x05';
  bits[8191] = '\x80';
  const std::string bitset =
      kOneBitmap + bytes_of({{12346, 4}, {1, 4}, {0, 2}, {4999, 2}, {16, 4}}) + bits;
  EXPECT_EQ(good(parse_row_bitmap(bitset, 3)), (std::vector<std::int64_t>{0, 2, 65535}));
}

TEST(DeletionVectorBytes, EveryCutAndEveryWrongByteIsSafe) {
  const std::string bytes =
      kOneBitmap + bytes_of({{12347, 4}, {1, 1}, {0, 2}, {3, 2}, {1, 2}, {5, 2}, {3, 2}});
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(parse_row_bitmap(bytes.substr(0, cut), 4).ok()) << cut;
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x07, 0x7F, 0x80, 0xFF}) {
      std::string wrong = bytes;
      wrong[at] = static_cast<char>(value);
      (void)parse_row_bitmap(wrong, 4);  // any answer; the sanitizers watch
    }
  }
  EXPECT_HAS(
      said(parse_row_bitmap(
          kOneBitmap + bytes_of({{12347, 4}, {1, 1}, {0, 2}, {3, 2}, {1, 2}, {65530, 2}, {100, 2}}),
          200)),
      "a run leaves its container");
}

TEST(DeletionVectorBytes, FewBytesThatStandForManyRowsStopAtTheCountInTheLog) {
  // 2,000 containers, each with one run of all its 65,536 rows: 18 kB for 131 million rows.
  constexpr int containers = 2000;
  const auto bomb = [&](bool ascending) {
    std::string bytes = kOneBitmap + bytes_of({{12347 | (containers - 1) << 16, 4}});
    bytes += std::string(containers / 8, '\xFF');
    for (int i = 0; i < containers; ++i) {
      bytes += bytes_of({{ascending ? i : 0, 2}, {65535, 2}});
    }
    bytes += std::string(4UL * containers, '\0');  // offsets
    for (int i = 0; i < containers; ++i) bytes += bytes_of({{1, 2}, {0, 2}, {65535, 2}});
    return bytes;
  };
  EXPECT_HAS(said(parse_row_bitmap(bomb(true), 9)), "more rows than the 9 that the log says");
  EXPECT_HAS(said(parse_row_bitmap(bomb(false), 100'000)), "do not ascend");
  const auto store = storage::make_memory_store();
  EXPECT_HAS(said(read_deletion_vector(*store, "t", {"i", "", std::nullopt, 1, 1LL << 40})),
             "exhausted: a deletion vector takes 1099511627776 rows away");
  EXPECT_HAS(said(read_deletion_vector(*store, "t", {"i", "", std::nullopt, 1, -1})), "corruption");
}

TEST(DeletionVectorBytes, InlineAndInFiles) {
  // The rows of the example on the protocol's page, in the format that the same page asks for.
  const auto store = storage::make_memory_store();
  DeletionVector inline_vector{"i", "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
                               std::nullopt, 44, 6};
  EXPECT_EQ(good(read_deletion_vector(*store, "t", inline_vector)),
            (std::vector<std::int64_t>{3, 4, 7, 11, 18, 29}));
  inline_vector.cardinality = 7;
  EXPECT_HAS(said(read_deletion_vector(*store, "t", inline_vector)),
             "holds 6 rows, the log says 7");
  inline_vector.path_or_inline = "wi5b";
  EXPECT_HAS(said(read_deletion_vector(*store, "t", inline_vector)), "no base 85");
  EXPECT_HAS(said(read_deletion_vector(*store, "t", {"x", "", std::nullopt, 1, 1})),
             "unsupported: deletion vectors of the storage type 'x'");
  EXPECT_HAS(said(read_deletion_vector(*store, "t", {"u", "vBn[lx{q8@P<9BNH/isA", 1, 36, 2})),
             "not_found");
  EXPECT_HAS(said(read_deletion_vector(*store, "t", {"p", "../x", 1, 36, 2})), "corruption");
  EXPECT_HAS(said(read_deletion_vector(*store, "t", {"p", "x", -1, 36, 2})), "offset is negative");
  good(store->put("t/x", std::string(100, 'x')));
  EXPECT_HAS(said(read_deletion_vector(*store, "t", {"p", "x", 1, 36, 2})), "size is not the one");
}

}  // namespace
}  // namespace millrace::lake
