#pragma once

// The law of object_store.h as tests. An implementation joins with one line in its own test file:
//   INSTANTIATE_TEST_SUITE_P(Local, ObjectStoreContract, testing::Values(StoreFactory{...}));

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "storage/object_store.h"

namespace millrace::storage {

/// A place where objects are kept for the length of a test. Stores opened on it see the same
/// objects.
class StorePlace {
 public:
  virtual ~StorePlace() = default;
  /// Null where the objects live only in the first store.
  virtual std::unique_ptr<ObjectStore> open_another() = 0;
  virtual ObjectStore& store() = 0;
};

struct StoreFactory {
  std::string name;
  std::function<std::unique_ptr<StorePlace>()> make;
  friend std::ostream& operator<<(std::ostream& out, const StoreFactory& factory) {
    return out << factory.name;
  }
};

class ObjectStoreContract : public testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override { place_ = GetParam().make(); }
  ObjectStore& store() { return place_->store(); }
  StorePlace& place() { return *place_; }

 private:
  std::unique_ptr<StorePlace> place_;
};

}  // namespace millrace::storage
