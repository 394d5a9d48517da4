#include "storage/object_store_contract.h"

namespace millrace::storage {
namespace {

class MemoryPlace final : public StorePlace {
 public:
  std::unique_ptr<ObjectStore> open_another() override { return nullptr; }
  ObjectStore& store() override { return *store_; }

 private:
  std::unique_ptr<ObjectStore> store_ = make_memory_store();
};

INSTANTIATE_TEST_SUITE_P(Memory, ObjectStoreContract,
                         testing::Values(StoreFactory{
                             "memory", [] { return std::make_unique<MemoryPlace>(); }}));

TEST(MemoryStore, TakesTheTimeOfModificationFromTheClockItIsGiven) {
  ManualClock clock(*parse_instant("2013-12-01"));
  const auto store = make_memory_store(&clock);
  ASSERT_TRUE(store->put("a", "x").ok());
  clock.advance(std::chrono::hours(24));
  ASSERT_TRUE(store->put("b", "x").ok());
  EXPECT_EQ(store->head("a")->modified, *parse_instant("2013-12-01"));
  EXPECT_EQ((*store->list("b"))[0].modified, *parse_instant("2013-12-02"));
}

}  // namespace
}  // namespace millrace::storage
