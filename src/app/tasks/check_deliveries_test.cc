#include "tasks/check_deliveries.h"

#include <algorithm>

#include "tasks/check_project.h"
#include "tasks/project_fixture.h"

namespace millrace::tasks {
namespace {

using CheckDeliveries = ProjectTest;

TEST_F(CheckDeliveries, AFolderThatIsNotThereYetIsWarnedOf) {
  change("sources/cafe.yml", "schema: raw\n", "schema: raw\npath: tomorrow\n");
  const std::vector<std::string> found = warnings();
  ASSERT_EQ(found.size(), 1U) << testing::PrintToString(found);
  EXPECT_TRUE(
      found[0].starts_with("sources/cafe.yml:8:14: nothing is delivered here: there is no "
                           "folder "))
      << found[0];
}

TEST_F(CheckDeliveries, ADeliveryThatARunWouldRefuseIsWarnedOf) {
  std::filesystem::rename(path(delivery(20)), path("real.jsonl"));
  std::filesystem::create_symlink(path("real.jsonl"), path(delivery(20)));
  EXPECT_EQ(warnings(),
            std::vector<std::string>{
                "sources/cafe.yml:7:14: orders-2013-01-20.jsonl is a symbolic link to a "
                "file, which is not followed; deliver the file itself"});
  std::filesystem::remove(path(delivery(20)));
  write(delivery(20), "");
  EXPECT_EQ(warnings(), std::vector<std::string>{
                            "sources/cafe.yml:7:14: orders-2013-01-20.jsonl is empty: it holds no "
                            "byte of data; deliver it again with its rows"});
}

/// The café's orders as CSV, one cup a day.
std::string as_csv(int day, char delimiter) {
  std::string text = fmt::format(
      "id,cups,late,placed_at,served_at,delivered_at\n{0},1,true,{1}T08:00:00Z,{1}T08:30:00Z,"
      "{1}T23:00:00Z\n",
      day, fmt::format("2013-01-{:02}", day));
  std::ranges::replace(text, ',', delimiter);
  return text;
}

TEST_F(CheckDeliveries, ADelimiterThatNoDeliveryHasIsAMistakeUntilSomethingHasLanded) {
  change("sources/cafe.yml", "pattern: orders-{date}.jsonl",
         "pattern: o-{date}.csv\n    format: csv");
  write("deliveries/o-2013-01-01.csv", as_csv(1, ';'));
  write("deliveries/o-2013-01-02.csv", as_csv(2, ';'));
  const auto told = [](int day) {
    return fmt::format(
        "sources/cafe.yml:7:14: o-2013-01-{:02}.csv:1: wrong header: its names are separated by "
        "';', "
        "not by ','; say 'delimiter: \";\"' of the source's table",
        day);
  };
  EXPECT_EQ(problems(), std::vector<std::string>{told(2)});
  auto loaded = *project::load_project(root(), "");
  EXPECT_TRUE(check_before_run(loaded).ok());
  EXPECT_EQ(texts(loaded.problems), std::vector<std::string>())
      << "a Dag that does not land it may run";

  write("deliveries/o-2013-01-01.csv", as_csv(1, ','));
  EXPECT_EQ(warnings(), std::vector<std::string>{told(2)}) << "one file is as declared";
  write("deliveries/o-2013-01-02.csv", as_csv(2, ','));
  good(run("land"));
  write("deliveries/o-2013-01-01.csv", as_csv(1, ';'));
  write("deliveries/o-2013-01-03.csv", as_csv(3, ';'));
  EXPECT_EQ(warnings(), std::vector<std::string>{told(3)}) << "it was right before";
}

}  // namespace
}  // namespace millrace::tasks
