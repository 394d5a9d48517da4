#pragma once

// Reading the members of a definition, with errors that name the member.

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::features {

/// What is wrong with a definition, all of it: reading goes on behind a mistake.
class Mistakes {
 public:
  /// `place` is what every message begins with: "training_sets 1 (training)".
  Mistakes(std::string place, std::vector<Error>& errors)
      : place_(std::move(place)), errors_(errors), before_(errors.size()) {}

  bool none() const { return errors_.size() == before_; }
  void note(Status status) {
    if (!status.ok()) errors_.push_back(std::move(status).error().while_doing(place_));
  }
  /// What was read, or nothing and a mistake more.
  template <typename T>
  T value(Result<T> read) {
    if (read.ok()) return *std::move(read);
    errors_.push_back(std::move(read).error().while_doing(place_));
    return T();
  }
  /// Those of a member.
  Mistakes of(std::string_view member) const {
    return {place_ + ": " + std::string(member), errors_};
  }

 private:
  std::string place_;
  std::vector<Error>& errors_;
  std::size_t before_;
};

/// Errors: Invalid when `json` is no object or has a member that is none of these.
Status only_members(const Json& json, std::initializer_list<std::string_view> known);

/// The same with a mistake for each such member; false when `json` is no object.
bool only_members(const Json& json, std::initializer_list<std::string_view> known,
                  Mistakes& mistakes);

/// A text that is not empty.
Result<std::string> required_text(const Json& json, std::string_view member);
/// A text, or "" when the member is missing or null.
Result<std::string> optional_text(const Json& json, std::string_view member);
/// A list of texts, or one text alone; at least one.
Result<std::vector<std::string>> required_texts(const Json& json, std::string_view member);
/// The elements of a list; none when the member is missing or null.
Result<std::vector<Json>> elements(const Json& json, std::string_view member);

}  // namespace millrace::features
