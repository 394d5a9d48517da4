#include "project/yaml.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/suggest.h"
#include "base/time.h"
#include "base/utf8.h"
#include "project/yaml_syntax.h"

namespace millrace::project {
namespace {

constexpr std::size_t kLargestFile = 4U << 20U;
constexpr std::size_t kMostValues = 100'000;

/// The types of YAML 1.2's core schema (section 10.3.2) for a scalar that was not quoted.
Json plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(begin, end, integer);
      read.ec == std::errc() && read.ptr == end)
    return integer;
  const bool numeric = text.find_first_not_of("+-.0123456789eE") == std::string::npos &&
                       text.find_first_of("0123456789") != std::string::npos;
  double number = 0;
  if (numeric)
    if (const auto read = std::from_chars(begin, end, number);
        read.ec == std::errc() && read.ptr == end)
      return number;
  return text;
}

/// Other tools say with two words what is one here: schedule_interval, dag_id.
std::string key_suggestion(std::string_view key, const std::vector<std::string>& known) {
  if (!nearest_word(key, known).has_value())
    for (const std::string& word : known)
      if (key.starts_with(word + "_") || key.ends_with("_" + word))
        return fmt::format("; did you mean '{}'?", word);
  return suggestion(key, known);
}

}  // namespace

/// Turns the events of yaml-cpp into a tree of Node.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string file, Problems& problems) : file_(std::move(file)), problems_(problems) {}

  void OnDocumentStart(const YAML::Mark& /*mark*/) override { ++documents_; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add_scalar(mark, anchor, {}, "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    refuse(mark, "aliases (*name) are not accepted; write the value again, or use var()");
    add_scalar(mark, 0, {}, "");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    add_scalar(mark, anchor, tag == "?" || tag.empty() ? plain_scalar(value) : Json(value), value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, anchor, Node::Kind::Sequence);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, anchor, Node::Kind::Mapping);
  }
  void OnMapEnd() override { close(); }

  int documents() const { return documents_; }
  Node take_root() { return std::move(root_); }

 private:
  struct Frame {
    Node node;
    std::string key;
    Place key_place;
    bool has_key = false;
  };

  Place place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }
  void refuse(const YAML::Mark& mark, std::string message) {
    problems_.push_back({place(mark), std::move(message)});
  }
  void count(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0)
      refuse(mark, "anchors (&name) are not accepted; write the value again, or use var()");
    if (++values_ == kMostValues + 1)
      refuse(mark, fmt::format("more than {} values in one file", kMostValues));
  }

  void add_scalar(const YAML::Mark& mark, YAML::anchor_t anchor, Json value,
                  const std::string& text) {
    count(mark, anchor);
    if (!frames_.empty() && frames_.back().node.kind_ == Node::Kind::Mapping &&
        !frames_.back().has_key) {
      Frame& frame = frames_.back();
      frame.key = text;
      frame.key_place = place(mark);
      frame.has_key = true;
      if (frame.node.find(text) != nullptr)
        refuse(mark, fmt::format("'{}' stands twice in this mapping", text));
      return;
    }
    Node node;
    node.place_ = place(mark);
    node.scalar_ = std::move(value);
    attach(std::move(node));
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Node::Kind kind) {
    count(mark, anchor);
    if (!frames_.empty() && frames_.back().node.kind_ == Node::Kind::Mapping &&
        !frames_.back().has_key) {
      refuse(mark, "a key must be text");
      frames_.back().has_key = true;
    }
    frames_.emplace_back();
    frames_.back().node.kind_ = kind;
    frames_.back().node.place_ = place(mark);
  }

  void close() {
    Node node = std::move(frames_.back().node);
    frames_.pop_back();
    attach(std::move(node));
  }

  void attach(Node node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& parent = frames_.back();
    if (parent.node.kind_ == Node::Kind::Sequence) {
      parent.node.elements_.push_back(std::move(node));
      return;
    }
    parent.node.entries_.push_back({std::move(parent.key), parent.key_place, std::move(node)});
    parent.key.clear();
    parent.has_key = false;
  }

  std::string file_;
  Problems& problems_;
  std::vector<Frame> frames_;
  Node root_;
  std::size_t values_ = 0;
  int documents_ = 0;
};

std::string Place::str() const {
  if (line == 0) return file;
  return column == 0 ? fmt::format("{}:{}", file, line)
                     : fmt::format("{}:{}:{}", file, line, column);
}

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries_)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

Json Node::to_json() const {
  if (kind_ == Kind::Scalar) return scalar_;
  if (kind_ == Kind::Sequence) {
    Json array = Json::array();
    for (const Node& element : elements_) array.push(element.to_json());
    return array;
  }
  Json object = Json::object();
  for (const Entry& entry : entries_) object.set(entry.key, entry.value.to_json());
  return object;
}

std::string Node::describe() const {
  if (kind_ == Kind::Sequence) return "a list";
  if (kind_ == Kind::Mapping) return "a mapping";
  if (scalar_.is_string()) return "the text '" + scalar_.as_string().substr(0, 60) + "'";
  if (scalar_.is_null()) return "nothing";
  return "the value " + scalar_.dump();
}

Result<Node> parse_yaml(std::string_view text, const std::string& file, Problems& problems) {
  const auto fail = [&](Place place, std::string message) {
    problems.push_back({std::move(place), std::move(message)});
    return Error(ErrorCode::Invalid, problems.back().str());
  };
  if (text.size() > kLargestFile)
    return fail({file}, fmt::format("larger than {} MiB", kLargestFile >> 20U));
  if (!is_utf8(text)) return fail({file}, "not UTF-8 text; save it in this encoding");
  const std::size_t before = problems.size();
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(file, problems);
    if (!parser.HandleNextDocument(builder)) {
      std::istringstream empty("{}");
      parser.Load(empty);
      parser.HandleNextDocument(builder);
    } else if (parser.HandleNextDocument(builder)) {
      return fail({file}, "holds more than one document ('---'); write one file for each");
    }
    if (problems.size() > before) return Error(ErrorCode::Invalid, problems[before].str());
    return builder.take_root();
  } catch (const YAML::Exception& error) {
    if (const auto tab = tab_before(text, error.mark.line))
      return fail({file, tab->line + 1, tab->column + 1},
                  "not YAML: the line is indented by a tab, which YAML forbids; write spaces");
    return fail({file, error.mark.line + 1, error.mark.column + 1},
                "not YAML: " + explain_syntax(error.msg));
  }
}

Fields::Fields(const Node& node, std::string what, Problems& problems)
    : node_(node),
      what_(std::move(what)),
      problems_(problems),
      readable_(node.kind() == Node::Kind::Mapping) {
  if (!readable_)
    problems_.push_back(
        {node.place(), fmt::format("a {} is a mapping; found {}", what_, node.describe())});
}

const Node* Fields::take(std::string_view key) {
  known_.emplace_back(key);
  const Node* found = node_.find(key);
  const bool absent =
      found == nullptr || (found->kind() == Node::Kind::Scalar && found->scalar().is_null());
  return absent ? nullptr : found;
}

void Fields::wrong_type(std::string_view key, const Node& found, std::string_view expected) {
  problems_.push_back({found.place(), fmt::format("'{}' of a {} is {}; found {}", key, what_,
                                                  expected, found.describe())});
}

const Node* Fields::expect(std::string_view key, Node::Kind kind, std::string_view expected) {
  const Node* found = take(key);
  if (found != nullptr && found->kind() != kind) {
    wrong_type(key, *found, expected);
    return nullptr;
  }
  return found;
}

std::string Fields::text(std::string_view key) {
  const Node* found = node_.find(key);
  if (readable_ && found == nullptr)
    problems_.push_back({node_.place(), fmt::format("a {} needs '{}'", what_, key)});
  return text(key, "");
}

std::string Fields::text(std::string_view key, std::string fallback) {
  const Node* found = expect(key, Node::Kind::Scalar, "text");
  if (found == nullptr) return fallback;
  if (!found->scalar().is_string()) {
    wrong_type(key, *found, "text (put it in quotes)");
    return fallback;
  }
  return found->scalar().as_string();
}

std::int64_t Fields::integer(std::string_view key, std::int64_t fallback) {
  const Node* found = expect(key, Node::Kind::Scalar, "an integer");
  if (found == nullptr) return fallback;
  if (!found->scalar().is_integer()) {
    wrong_type(key, *found, "an integer");
    return fallback;
  }
  return found->scalar().as_integer();
}

double Fields::number(std::string_view key, double fallback) {
  const Node* found = expect(key, Node::Kind::Scalar, "a number");
  if (found == nullptr) return fallback;
  if (!found->scalar().is_number()) {
    wrong_type(key, *found, "a number");
    return fallback;
  }
  return found->scalar().as_double();
}

bool Fields::boolean(std::string_view key, bool fallback) {
  const Node* found = expect(key, Node::Kind::Scalar, "true or false");
  if (found == nullptr) return fallback;
  if (!found->scalar().is_bool()) {
    wrong_type(key, *found, "true or false");
    return fallback;
  }
  return found->scalar().as_bool();
}

std::int64_t Fields::duration_us(std::string_view key, std::int64_t fallback) {
  const Node* found = expect(key, Node::Kind::Scalar, "a duration such as 30s, 5m or 2h");
  if (found == nullptr) return fallback;
  const Json& value = found->scalar();
  const auto duration = parse_duration(value.is_string() ? value.as_string() : value.dump());
  if (!duration.ok()) {
    problems_.push_back({found->place(), fmt::format("'{}': {}", key, duration.error().message())});
    return fallback;
  }
  return duration->count();
}

std::vector<std::string> Fields::texts(std::string_view key) {
  const Node* found = take(key);
  if (found == nullptr) return {};
  const auto is_text = [](const Node& node) {
    return node.kind() == Node::Kind::Scalar && node.scalar().is_string();
  };
  if (is_text(*found)) return {found->scalar().as_string()};
  std::vector<std::string> values;
  bool good = found->kind() == Node::Kind::Sequence;
  for (const Node& element : found->elements()) {
    good = good && is_text(element);
    if (is_text(element)) values.push_back(element.scalar().as_string());
  }
  if (!good) wrong_type(key, *found, "text or a list of texts");
  return values;
}

const Node* Fields::mapping(std::string_view key) {
  return expect(key, Node::Kind::Mapping, "a mapping");
}
const Node* Fields::sequence(std::string_view key) {
  return expect(key, Node::Kind::Sequence, "a list");
}
const Node* Fields::any(std::string_view key) {
  return take(key);
}

Place Fields::place_of(std::string_view key) const {
  const Node* found = node_.find(key);
  return found != nullptr ? found->place() : node_.place();
}

void Fields::problem(std::string_view key, std::string message) {
  problems_.push_back({place_of(key), std::move(message)});
}

void Fields::refuse_unknown() {
  for (const Node::Entry& entry : node_.entries())
    if (std::ranges::find(known_, entry.key) == known_.end())
      problems_.push_back(
          {entry.place,
           fmt::format("a {} has no '{}'{}", what_, entry.key, key_suggestion(entry.key, known_)),
           known_});
}

}  // namespace millrace::project
