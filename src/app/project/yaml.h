#pragma once

// YAML as a tree in which every value knows where it stands.
//
// Parsing is yaml-cpp's. Scalars get the types of YAML 1.2's core schema: null, true/false,
// integers, floats, and text for everything else and for everything quoted. Anchors and aliases are
// refused: a project file that repeats itself is better said with `var`, and aliases can blow up a
// small file without bound.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace millrace::project {

/// A place in a file of the project; line and column count from 1, 0 means the whole file, or line.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;

  /// "pipelines/weekly.yml:12:5".
  std::string str() const;
};

/// Something wrong with the project, and where.
struct Problem {
  Place place;
  std::string message;
  /// Of a key that is not known: all that the mapping has, where the message names a few.
  std::vector<std::string> known = {};

  /// A message without a place names its own.
  std::string str() const { return place.file.empty() ? message : place.str() + ": " + message; }
};
using Problems = std::vector<Problem>;

/// One value of a YAML file.
class Node {
 public:
  enum class Kind { Scalar, Sequence, Mapping };
  struct Entry;

  Node() = default;
  Kind kind() const { return kind_; }
  const Place& place() const { return place_; }
  /// Precondition: a scalar.
  const Json& scalar() const { return scalar_; }
  /// Elements of a sequence; empty otherwise.
  const std::vector<Node>& elements() const { return elements_; }
  /// Members of a mapping in order; empty otherwise.
  const std::vector<Entry>& entries() const { return entries_; }
  const Node* find(std::string_view key) const;
  Json to_json() const;
  /// "text", "an integer", "a list", "a mapping", ...: for messages.
  std::string describe() const;

 private:
  friend class TreeBuilder;
  Kind kind_ = Kind::Scalar;
  Place place_;
  Json scalar_;
  std::vector<Node> elements_;
  std::vector<Entry> entries_;
};

struct Node::Entry {
  std::string key;
  Place place;  // of the key
  Node value;
};

/// Reads one document of at most 4 MiB and 100,000 values. `file` is the name for places. An empty
/// document is an empty mapping. Problems: syntax (as yaml-cpp sees it), duplicate keys, keys that
/// are not text, aliases, tabs.
Result<Node> parse_yaml(std::string_view text, const std::string& file, Problems& problems);

/// Reads the members of one mapping, each at most once, and finds what is missing, of a wrong type
/// or unknown. Every finding goes into `problems` with its place, and reading goes on with the
/// fallback, so that one run of `millrace check` shows all mistakes of a file.
class Fields {
 public:
  /// `what` names the mapping in messages: "task", "feature view".
  Fields(const Node& node, std::string what, Problems& problems);

  /// Whether the node is a mapping at all; otherwise a problem has been noted and every reading
  /// gives its fallback.
  bool readable() const { return readable_; }

  std::string text(std::string_view key);  // required
  std::string text(std::string_view key, std::string fallback);
  std::int64_t integer(std::string_view key, std::int64_t fallback);
  double number(std::string_view key, double fallback);
  bool boolean(std::string_view key, bool fallback);
  /// A text such as "30s".
  std::int64_t duration_us(std::string_view key, std::int64_t fallback);
  /// A list of text, or one text. Missing: empty.
  std::vector<std::string> texts(std::string_view key);
  /// A mapping or null.
  const Node* mapping(std::string_view key);
  /// A sequence or null.
  const Node* sequence(std::string_view key);
  /// Any value or null.
  const Node* any(std::string_view key);
  bool has(std::string_view key) const { return node_.find(key) != nullptr; }

  /// Where the value of `key` stands, or the mapping itself.
  Place place_of(std::string_view key) const;
  void problem(std::string_view key, std::string message);

  /// Notes every member that was never asked for, with a suggestion from the ones that were.
  void refuse_unknown();

 private:
  const Node* take(std::string_view key);
  const Node* expect(std::string_view key, Node::Kind kind, std::string_view expected);
  void wrong_type(std::string_view key, const Node& found, std::string_view expected);

  const Node& node_;
  std::string what_;
  Problems& problems_;
  bool readable_;
  std::vector<std::string> known_;
};

}  // namespace millrace::project
