// Log entries as text: what is read, what is ignored, what is refused.

#include "lake/actions.h"

#include <gtest/gtest.h>

#include "lake/lake_fixture.h"
#include "lake/replay.h"

namespace millrace::lake {
namespace {

TEST(Actions, WhatIsWrittenIsReadBack) {
  Actions actions;
  actions.commit_info = R"({"operation":"WRITE"})";
  actions.protocol = Protocol{3, 7, {"deletionVectors"}, {"deletionVectors", "appendOnly"}};
  actions.metadata = Metadata{.id = "id",
                              .name = "a \"name\"",
                              .schema = R"({"type":"struct","fields":[]})",
                              .partition_columns = {"p"},
                              .configuration = {{"delta.appendOnly", "true"}},
                              .created_time_ms = 5};
  actions.adds = {{.file = {"p=1/x.parquet", DeletionVector{"u", "abc", 4, 40, 6}},
                   .partition_values = {{"p", "1"}, {"q", std::nullopt}},
                   .size_bytes = 10,
                   .modification_time_ms = 20,
                   .stats = R"({"numRecords":3})",
                   .tags = {{"k", "v"}}}};
  actions.removes = {{.file = {"y.parquet", std::nullopt},
                      .deletion_time_ms = 7,
                      .extended = true,
                      .partition_values = {{"p", "1"}},
                      .size_bytes = 9}};
  actions.txns = {{"app", 3, 8}};
  actions.domains = {{"d", "{}", false}};
  actions.cdc = {R"({"path":"c"})"};
  const std::string text = to_json_lines(actions);
  EXPECT_EQ(std::ranges::count(text, '\n'), 8);
  const Actions read = good(parse_actions(text));
  EXPECT_EQ(to_json_lines(read), text);
  EXPECT_EQ(read.protocol, actions.protocol);
  EXPECT_EQ(read.metadata, actions.metadata);
  EXPECT_EQ(read.adds.at(0).file, actions.adds.at(0).file);
  EXPECT_EQ(read.adds.at(0).partition_values, actions.adds.at(0).partition_values);
}

TEST(Actions, AStreamOfObjectsIsReadHoweverItIsLaidOut) {
  const Actions read =
      good(parse_actions("\xEF\xBB\xBF{\n  \"txn\": {\n \"appId\": \"a\",\n"
                         "\"version\": 1}\n}{\"txn\":{\"appId\":\"b\",\"version\":2}}"
                         "\r\n\n  {\"unknown\": {\"x\": [1, {}]}, \"txn\": null}\n"));
  ASSERT_EQ(read.txns.size(), 2U);
  EXPECT_EQ(read.txns[1].app_id, "b");
  EXPECT_TRUE(good(parse_actions("")).txns.empty());
  EXPECT_TRUE(good(parse_actions("\n")).txns.empty());
}

TEST(Actions, WhatIsBrokenIsNamed) {
  struct Case {
    std::string why;
    std::string text;
    std::string said;
  };
  const std::vector<Case> cases = {
      {"cut in the middle", R"({"add":{"path":"x","size":1)", ""},
      {"cut after a whole line", "{\"txn\":{\"appId\":\"a\",\"version\":1}}\n{\"add\":{\"pa", ""},
      {"no JSON", "hello", "not JSON"},
      {"zero bytes, as after a lost write", std::string(100, '\0'), ""},
      {"an array", "[1]", "expected an object, found an array"},
      {"an action that is no object", R"({"add":5})", "add is a number"},
      {"a path is missing", R"({"add":{"size":1}})", "add: 'path' is missing"},
      {"a size of text", R"({"add":{"path":"x","size":"1"}})",
       "add: 'size' is a string, expected an integer"},
      {"a size beyond the range", R"({"add":{"path":"x","size":99999999999999999999}})", ""},
      {"partition values of numbers", R"({"add":{"path":"x","size":1,"partitionValues":{"p":1}}})",
       "'partitionValues' holds a number"},
      {"a protocol out of range", R"({"protocol":{"minReaderVersion":-1,"minWriterVersion":2}})",
       "'minReaderVersion' is -1"},
      {"invalid UTF-8", "{\"txn\":{\"appId\":\"\xff\",\"version\":1}}", "not JSON"},
      {"another format", R"({"metaData":{"schemaString":"{}","format":{"provider":"orc"}}})",
       "the table's files are orc"},
      {"an empty path", R"({"add":{"path":"","size":1}})", "path is empty"},
      {"a path with NUL", "{\"add\":{\"path\":\"a\\u0000b\",\"size\":1}}",
       "path is empty or holds a NUL"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    const Result<Actions> read = parse_actions(c.text);
    ASSERT_FALSE(read.ok());
    EXPECT_HAS(said(read), c.said);
    EXPECT_TRUE(read.error().code() == ErrorCode::Corruption || c.why == "another format");
  }
}

TEST(Actions, EveryCutOfACommitIsFoundOut) {
  const std::string text =
      R"({"commitInfo":{"operation":"WRITE"}})"
      "\n"
      R"({"add":{"path":"x","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}})";
  ASSERT_TRUE(parse_actions(text).ok());
  const std::size_t whole_line = text.find('\n');
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    // A cut between two actions cannot be seen; a put-if-absent never makes one.
    if (cut == whole_line || cut == whole_line + 1) continue;
    EXPECT_FALSE(parse_actions(text.substr(0, cut)).ok()) << "cut after " << cut << " bytes";
  }
}

AddFile added(const std::string& path, std::optional<DeletionVector> vector = std::nullopt) {
  return {.file = {path, std::move(vector)}, .size_bytes = 1};
}
RemoveFile removed(const std::string& path, std::optional<DeletionVector> vector = std::nullopt) {
  return {.file = {path, std::move(vector)}, .deletion_time_ms = 1};
}
std::string active(const TableState& state) {
  std::vector<std::string> paths;
  for (const auto& add : state.files.sorted()) {
    paths.push_back(add->file.path + (add->file.deletion_vector
                                          ? "-" + add->file.deletion_vector->path_or_inline
                                          : ""));
  }
  std::ranges::sort(paths);
  std::string text;
  for (const std::string& path : paths) text += (text.empty() ? "" : " ") + path;
  return text;
}

TEST(Replay, TheLastWordOnAFileCounts) {
  TableState state;
  state.apply({.adds = {added("a"), added("b"), added("c%20d")}});
  state.apply({.removes = {removed("a"), removed("c d")}});
  EXPECT_EQ(active(state), "b");
  EXPECT_EQ(state.tombstones.size(), 2U);
  state.apply({.adds = {added("a")}});
  EXPECT_EQ(active(state), "a b");
  EXPECT_EQ(state.tombstones.size(), 1U);
  state.apply({.removes = {removed("never there")}});
  EXPECT_EQ(active(state), "a b");
}

TEST(Replay, AFileAndItsDeletionVectorAreOneName) {
  const DeletionVector first{"i", "1", std::nullopt, 1, 1};
  const DeletionVector second{"i", "2", std::nullopt, 1, 2};
  TableState state;
  state.apply({.adds = {added("a")}});
  state.apply({.adds = {added("a", first)}, .removes = {removed("a")}});
  EXPECT_EQ(active(state), "a-1");
  state.apply({.adds = {added("a", second)}, .removes = {removed("a", first)}});
  EXPECT_EQ(active(state), "a-2");
  // Within one commit the order of lines means nothing: what it adds stays.
  state.apply({.adds = {added("b")}, .removes = {removed("b")}});
  EXPECT_EQ(active(state), "a-2 b");
}

TEST(Replay, TheNewestProtocolMetadataTxnAndDomainCount) {
  TableState state;
  state.apply({.protocol = Protocol{1, 2},
               .metadata = Metadata{.id = "1"},
               .txns = {{"a", 1}, {"b", 5}},
               .domains = {{"d", "x", false}, {"e", "y", false}}});
  state.apply({.metadata = Metadata{.id = "2"}, .txns = {{"a", 2}}, .domains = {{"d", "", true}}});
  EXPECT_EQ(state.protocol, (Protocol{1, 2}));
  EXPECT_EQ(state.metadata->id, "2");
  EXPECT_EQ(state.txns.at("a").version, 2);
  EXPECT_EQ(state.txns.at("b").version, 5);
  EXPECT_EQ(state.domains.size(), 1U);
}

}  // namespace
}  // namespace millrace::lake
