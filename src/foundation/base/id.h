#pragma once

// Identifiers that cannot be swapped in a call: RunId is not TaskId, though both are text.

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace millrace {

/// `struct RunIdTag; using RunId = Id<RunIdTag>;`
template <typename Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string text) : text_(std::move(text)) {}
  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  std::string text_;
};

/// A random (version 4) UUID of RFC 9562: "3f2b8c1e-...". Never used to decide anything.
std::string new_uuid();

}  // namespace millrace

template <typename Tag>
struct std::hash<millrace::Id<Tag>> {
  std::size_t operator()(const millrace::Id<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.str());
  }
};
