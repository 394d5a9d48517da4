#pragma once

// The law of trainer.h as tests, run against every implementation, and what tests of this room
// share. An implementation joins with one line in its own test file:
//   INSTANTIATE_TEST_SUITE_P(Xgboost, TrainerContract, testing::Values(TrainerUnderTest{...}));

#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "columnar/record_batch.h"
#include "train/trainer.h"

namespace millrace::train {

struct TrainerUnderTest {
  std::string name;
  std::function<std::unique_ptr<Trainer>()> make;
  /// A model of late_flights() whose bytes depend on the seed, in a few rounds.
  std::function<TrainingRequest()> request;

  friend std::ostream& operator<<(std::ostream& out, const TrainerUnderTest& trainer) {
    return out << trainer.name;
  }
};

class TrainerContract : public testing::TestWithParam<TrainerUnderTest> {
 protected:
  Result<TrainedModel> train(const TrainingRequest& request, columnar::BatchReader& training,
                             columnar::BatchReader* validation = nullptr,
                             const TrainingControl& control = {}) const {
    return GetParam().make()->train(request, {training, validation}, control);
  }
};

/// Which flights are late, by delay, distance, carrier and weekend; without parameters.
TrainingRequest late_flights();

/// Generated flights [first, first + rows) in batches of `batch_rows` (sample_model_fixture.h).
std::unique_ptr<columnar::BatchReader> flights(std::size_t rows, std::size_t batch_rows = 10'000,
                                               std::size_t first = 0);

/// The flights that these tests train on, [first, first + rows).
columnar::RecordBatch some_flights(std::size_t rows, std::size_t first = 0);

}  // namespace millrace::train
