#include "metadata/group_commit.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace millrace::metadata {
namespace {

TEST(GroupCommit, WhoWritesWhileAnotherCommitsSharesTheNextCommit) {
  constexpr int kWriters = 8;
  std::vector<std::size_t> batches;  // by whoever leads: one at a time
  std::atomic<bool> go = false;
  GroupCommit commits([&](std::span<GroupCommit::Request* const> batch) {
    batches.push_back(batch.size());
    if (batches.size() == 1) go.wait(false);  // a slow disk
  });
  const Work nothing = [](Transaction&) { return Status(); };
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i)
    writers.emplace_back([&] { EXPECT_TRUE(commits.write(nothing).ok()); });
  while (commits.waiting() < kWriters - 1) std::this_thread::yield();
  go = true;
  go.notify_all();
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(batches, (std::vector<std::size_t>{1, kWriters - 1}));
}

TEST(GroupCommit, AnOutcomeGoesToWhoseWorkItWas) {
  GroupCommit commits([](std::span<GroupCommit::Request* const> batch) {
    for (GroupCommit::Request* request : batch)
      request->outcome = Error(ErrorCode::Exhausted, "the disk is full");
  });
  const Status status = commits.write([](Transaction&) { return Status(); });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::Exhausted);
}

}  // namespace
}  // namespace millrace::metadata
