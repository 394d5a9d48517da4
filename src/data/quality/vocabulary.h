#pragma once

// The words: which arguments each expectation takes, and the typed check that they make.
//
// One row per word (vocabulary.cc). To add an expectation: a row here, a check in suite.h if none
// fits, and its SQL in question.cc.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "quality/arguments.h"
#include "quality/suite.h"

namespace millrace::quality {

struct Word {
  std::string_view name;
  std::vector<Argument> arguments;
  bool takes_mostly = false;
  std::function<Check(const Arguments&)> make;
};

/// All words, by name.
const std::vector<Word>& vocabulary();
/// Words of Great Expectations that are known to exist and are not here yet.
const std::vector<std::string>& foreign_words();

}  // namespace millrace::quality
