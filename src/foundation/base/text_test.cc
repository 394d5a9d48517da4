// Hashes, identifiers, sizes, suggestions and whole files.
#include "base/text.h"

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/size.h"
#include "base/suggest.h"

namespace millrace {
namespace {

TEST(Hash, MatchesTheStandardsTestVectors) {
  // FIPS 180-4, the examples for SHA-256.
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256().update("a").update("bc").hex(), sha256_hex("abc"));
  EXPECT_EQ(stable_hash("abc"), 0xba7816bf8f01cfeaULL);
}

TEST(Id, UuidsAreVersionFourAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = new_uuid();
    ASSERT_EQ(uuid.size(), 36U);
    EXPECT_EQ(uuid[14], '4');
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(Text, EncodesWhatIsNotPlainByItsBytes) {
  EXPECT_EQ(percent_encoded("a-Z0.9_~"), "a-Z0.9_~");
  EXPECT_EQ(percent_encoded(std::string_view("/ \0\xC3\xBC", 5)), "%2F%20%00%C3%BC");
  EXPECT_EQ(percent_encoded("a/b=c%", "/="), "a/b=c%25");
}

TEST(Text, ShowsAByteThatCannotBeShownByItsNumber) {
  EXPECT_EQ(escaped_byte('\0'), "\\x00");
  EXPECT_EQ(escaped_byte('\xFe'), "\\xFE");
}

TEST(Text, FoldsTheCaseOfAsciiAlone) {
  EXPECT_EQ(fold_case("Sched_Dep-9Z[@`{"), "sched_dep-9z[@`{");
  EXPECT_EQ(fold_case("\xC3\x84"), "\xC3\x84") << "a letter of another alphabet stays as it is";
  EXPECT_TRUE(same_ignoring_case("Content-TYPE", "content-type"));
  EXPECT_FALSE(same_ignoring_case("late", "later"));
  EXPECT_FALSE(same_ignoring_case("a[", "A{"));
}

TEST(Text, TrimsSpacesAndTabs) {
  EXPECT_EQ(trim(" \t a b\t"), "a b");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim("a\n"), "a\n") << "the end of a line is not a space";
}

TEST(Size, ReadsAndWritesAsPeopleDo) {
  EXPECT_EQ(*parse_bytes("4GB"), 4'000'000'000U);
  EXPECT_EQ(*parse_bytes("1.5 KiB"), 1'536U);
  EXPECT_EQ(*parse_bytes("17"), 17U);
  for (const char* text : {"", "GB", "-1GB", "4 parsecs", "1e30GB", "nan"})
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
  EXPECT_EQ(format_bytes(532), "532 B");
  EXPECT_EQ(format_bytes(1'400'000), "1.4 MB");
  EXPECT_EQ(format_bytes(999'960), "1.0 MB");
}

TEST(Suggestion, NamesTheNearestWordOrListsThem) {
  const std::vector<std::string> known = {"retries", "retry_delay", "schedule"};
  EXPECT_EQ(suggestion("retires", known), "; did you mean 'retries'?");
  EXPECT_EQ(suggestion("banana", known), "; known: retries, retry_delay, schedule");
  EXPECT_EQ(suggestion("x", {}), "");
}

TEST(Suggestion, NeverNamesTheOpposite) {
  const std::vector<std::string> known = {"expect_column_values_to_be_null",
                                          "expect_column_values_to_not_be_null"};
  EXPECT_EQ(nearest_word("expect_column_values_not_null", known), known[1]);
  EXPECT_EQ(nearest_word("expect_column_value_to_be_null", known), known[0]);
  EXPECT_EQ(nearest_word("not_null", std::vector<std::string>{"no_null"}), std::nullopt);
}

TEST(File, WriteReplacesWholeAndLeavesNothingBeside) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string path = folder.path() + "/a/b.txt";
  ASSERT_TRUE(write_file(path, "one").ok());
  ASSERT_TRUE(write_file(path, "two").ok());
  EXPECT_EQ(*read_file(path), "two");
  EXPECT_EQ(*sha256_hex_of_file(path), sha256_hex("two"));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(folder.path() + "/a"))
    ++files;
  EXPECT_EQ(files, 1U);
}

TEST(File, FoldersAreMadeInARootThatIsThereOnly) {
  const TemporaryFolder folder = *TemporaryFolder::make();
  const std::string root = folder.path() + "/root";
  EXPECT_FALSE(make_folders_in(root, root + "/a").ok());
  EXPECT_FALSE(std::filesystem::exists(root));
  ASSERT_TRUE(make_folders(root).ok());
  ASSERT_TRUE(make_folders_in(root, root + "/a/b").ok());
  ASSERT_TRUE(make_folders_in(root, root + "/a/b").ok()) << "as it is";
  EXPECT_TRUE(std::filesystem::is_directory(root + "/a/b"));
}

TEST(File, ErrorsNameThePathAndWhatToDo) {
  EXPECT_EQ(read_file("/no/such").error().code(), ErrorCode::NotFound);
  const TemporaryFolder folder = *TemporaryFolder::make();
  ASSERT_TRUE(write_file(folder.path() + "/big", std::string(100, 'x')).ok());
  const auto read = read_file(folder.path() + "/big", 10);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::Exhausted);
}

TEST(TemporaryFolder, IsGoneAfterwards) {
  std::string path;
  {
    const TemporaryFolder folder = *TemporaryFolder::make();
    path = folder.path();
    ASSERT_TRUE(write_file(path + "/x/y", "z").ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace millrace
