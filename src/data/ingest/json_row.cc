#include "ingest/json_row.h"

#include <cstring>
#include <unordered_map>

#include <fmt/core.h>
#include <simdjson.h>

#include "ingest/line_reader.h"

namespace millrace::ingest {
namespace {

namespace ondemand = simdjson::ondemand;
using columnar::Kind;

constexpr int kMaxDepth = 64;
static_assert(TextWindow::kPadding >= simdjson::SIMDJSON_PADDING);

RowFault broken(simdjson::error_code error) {
  return {fmt::format("is not valid JSON: {}", simdjson::error_message(error)), ""};
}

std::string_view trimmed(std::string_view token) {
  while (!token.empty() && std::strchr(" \t\r\n", token.back()) != nullptr) token.remove_suffix(1);
  return token;
}

/// How a message names a value: "the string \"12\"", "the number 1.5", "true", "an object".
std::string wording(ondemand::value& value) {
  ondemand::json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) return "no JSON value";
  const std::string_view token = trimmed(value.raw_json_token());
  switch (type) {
    case ondemand::json_type::object:
      return "an object";
    case ondemand::json_type::array:
      return "an array";
    case ondemand::json_type::number:
      return is_json_number(token) ? fmt::format("the number {}", readable_text(token, 40))
                                   : in_quotes(token);
    case ondemand::json_type::string:
      return "the string " + in_quotes(token.size() < 2 ? "" : token.substr(1, token.size() - 2));
    default:
      return readable_text(token, 40);
  }
}

bool takes_text(Kind kind) {
  return kind == Kind::String || kind == Kind::Date || kind == Kind::Timestamp ||
         kind == Kind::TimestampNtz;
}

/// 5.0 and 5e0 are whole numbers too: JSON does not tell them from 5.
Fault read_whole(const ColumnRule& rule, std::string_view token, Cell& cell) {
  if (token.find_first_of(".eE") == std::string_view::npos) return Fault::Range;
  ColumnRule number;
  number.kind = Kind::Float64;
  const Fault fault = read_text(number, token, cell);
  return fault == Fault::None ? put_number(rule, cell.number, cell) : fault;
}

RowFault column_fault(const ColumnRule& rule, Fault fault, std::string_view found) {
  return {explain(rule, fault, found), rule.name};
}

}  // namespace

struct JsonRowParser::Simdjson {
  JsonRowParser& row;
  ondemand::parser parser;
  std::unordered_map<std::string_view, std::size_t> column_of;
  std::vector<std::uint32_t> seen;  // per column: the number of the line that filled it last
  std::uint32_t line = 0;
  std::size_t guess =
      0;  // the column that probably comes next: rows have their members in one order

  explicit Simdjson(JsonRowParser& owner) : row(owner), seen(owner.rules_.size()) {
    for (std::size_t i = 0; i < owner.rules_.size(); ++i) column_of[owner.rules_[i].name] = i;
  }

  std::optional<RowFault> parse(std::string_view text);
  std::optional<RowFault> member(ondemand::field& field);
  std::optional<RowFault> known(std::size_t column, ondemand::value value);
  std::optional<RowFault> unknown(std::string_view name, ondemand::value value);
  std::optional<RowFault> text_value(const ColumnRule& rule, ondemand::value& value, Cell& cell);
  std::optional<RowFault> number_value(const ColumnRule& rule, ondemand::value& value, Cell& cell);
  std::optional<RowFault> boolean_value(const ColumnRule& rule, ondemand::value& value, Cell& cell);
  simdjson::error_code copy(ondemand::value value, std::string* into, int depth);
  simdjson::error_code copy_array(ondemand::value& value, std::string* into, int depth);
  simdjson::error_code copy_object(ondemand::value& value, std::string* into, int depth);
  static simdjson::error_code copy_scalar(ondemand::value& value, std::string* into,
                                          ondemand::json_type type);
};

JsonRowParser::JsonRowParser(std::span<const ColumnRule> rules, UnknownMembers unknown)
    : rules_(rules), policy_(unknown), simdjson_(std::make_unique<Simdjson>(*this)) {}
JsonRowParser::~JsonRowParser() = default;

std::optional<RowFault> JsonRowParser::parse(std::string_view line) {
  cells_.assign(rules_.size(), Cell());
  unknown_.clear();
  unknown_names_.clear();
  if (!simdjson::validate_utf8(line)) return RowFault{"is not valid UTF-8", ""};
  std::optional<RowFault> fault = simdjson_->parse(line);
  // A NUL breaks JSON wherever it stands; say so rather than "unclosed string".
  if (fault && std::memchr(line.data(), 0, line.size()) != nullptr)
    return RowFault{"holds a NUL byte", ""};
  if (!fault && !unknown_.empty()) unknown_ += '}';
  return fault;
}

std::optional<RowFault> JsonRowParser::Simdjson::parse(std::string_view text) {
  ++line;
  guess = 0;
  ondemand::document document;
  if (const auto error =
          parser.iterate(text.data(), text.size(), text.size() + TextWindow::kPadding)
              .get(document))
    return broken(error);
  ondemand::object object;
  if (const auto error = document.get_object().get(object)) {
    if (error != simdjson::INCORRECT_TYPE) return broken(error);
    return RowFault{fmt::format("is not a JSON object: {}", in_quotes(text)), ""};
  }
  for (auto each : object) {
    ondemand::field field;
    if (const auto error = std::move(each).get(field)) return broken(error);
    if (auto fault = member(field)) return fault;
  }
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    return RowFault{"is not valid JSON: text after the object", ""};
  return std::nullopt;
}

std::optional<RowFault> JsonRowParser::Simdjson::member(ondemand::field& field) {
  const auto& rules = row.rules_;
  if (guess < rules.size() && field.key().unsafe_is_equal(rules[guess].name)) {
    const std::size_t column = guess++;
    return known(column, field.value());
  }
  std::string_view name;
  if (const auto error = field.unescaped_key().get(name)) return broken(error);
  const auto found = column_of.find(name);
  if (found == column_of.end()) return unknown(name, field.value());
  guess = found->second + 1;
  return known(found->second, field.value());
}

std::optional<RowFault> JsonRowParser::Simdjson::known(std::size_t column, ondemand::value value) {
  const ColumnRule& rule = row.rules_[column];
  Cell& cell = row.cells_[column];
  if (seen[column] == line)
    return RowFault{fmt::format("member \"{}\" stands twice", rule.name), rule.name};
  seen[column] = line;
  bool null = false;
  if (const auto error = value.is_null().get(null)) return broken(error);
  if (null) {
    cell.state = Cell::State::Null;
    return std::nullopt;
  }
  if (takes_text(rule.kind)) return text_value(rule, value, cell);
  return rule.kind == Kind::Boolean ? boolean_value(rule, value, cell)
                                    : number_value(rule, value, cell);
}

std::optional<RowFault> JsonRowParser::Simdjson::text_value(const ColumnRule& rule,
                                                            ondemand::value& value, Cell& cell) {
  std::string_view text;
  const auto error = value.get_string().get(text);
  if (error == simdjson::INCORRECT_TYPE) return column_fault(rule, Fault::Type, wording(value));
  if (error != simdjson::SUCCESS) return broken(error);
  const Fault fault = read_text(rule, text, cell);
  if (fault == Fault::None) return std::nullopt;
  return column_fault(rule, fault, "the string " + in_quotes(text));
}

std::optional<RowFault> JsonRowParser::Simdjson::boolean_value(const ColumnRule& rule,
                                                               ondemand::value& value, Cell& cell) {
  bool flag = false;
  if (value.get_bool().get(flag) != simdjson::SUCCESS)
    return column_fault(rule, Fault::Type, wording(value));
  cell.state = Cell::State::Value;
  cell.integer = flag ? 1 : 0;
  return std::nullopt;
}

std::optional<RowFault> JsonRowParser::Simdjson::number_value(const ColumnRule& rule,
                                                              ondemand::value& value, Cell& cell) {
  std::int64_t integer = 0;
  if (rule.kind != Kind::Decimal && value.get_int64().get(integer) == simdjson::SUCCESS) {
    const Fault fault = put_integer(rule, integer, cell);
    if (fault == Fault::None) return std::nullopt;
    return column_fault(rule, fault, fmt::format("{}", integer));
  }
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return broken(error);
  const std::string_view token = trimmed(value.raw_json_token());
  if (type != ondemand::json_type::number) return column_fault(rule, Fault::Type, wording(value));
  if (!is_json_number(token))
    return RowFault{fmt::format("is not valid JSON: {} is no number", in_quotes(token)), rule.name};
  // The value is only looked at; simdjson goes on behind it by itself.
  const Fault fault = rule.kind == Kind::Decimal || columnar::is_floating(rule.kind)
                          ? read_text(rule, token, cell)
                          : read_whole(rule, token, cell);
  if (fault == Fault::None) return std::nullopt;
  return column_fault(rule, fault,
                      fault == Fault::Range ? readable_text(token, 40) : wording(value));
}

std::optional<RowFault> JsonRowParser::Simdjson::unknown(std::string_view name,
                                                         ondemand::value value) {
  if (row.policy_ == UnknownMembers::Refuse)
    return RowFault{fmt::format("member {} has no declared column", in_quotes(name)), ""};
  row.unknown_names_.emplace_back(name);
  std::string* into = row.policy_ == UnknownMembers::Keep ? &row.unknown_ : nullptr;
  if (into != nullptr) {
    *into += into->empty() ? '{' : ',';
    *into += Json(name).dump();
    *into += ':';
  }
  if (const auto error = copy(value, into, 1)) return broken(error);
  return std::nullopt;
}

/// Goes through a value that is not ours, so that all of it is known to be JSON, and writes it
/// without blanks to `into` unless null.
simdjson::error_code JsonRowParser::Simdjson::copy(ondemand::value value, std::string* into,
                                                   int depth) {
  if (depth > kMaxDepth) return simdjson::DEPTH_ERROR;
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return error;
  if (type == ondemand::json_type::array) return copy_array(value, into, depth);
  if (type == ondemand::json_type::object) return copy_object(value, into, depth);
  return copy_scalar(value, into, type);
}

simdjson::error_code JsonRowParser::Simdjson::copy_array(ondemand::value& value, std::string* into,
                                                         int depth) {
  ondemand::array array;
  if (const auto error = value.get_array().get(array)) return error;
  if (into != nullptr) *into += '[';
  bool first = true;
  for (auto each : array) {
    ondemand::value element;
    if (const auto error = std::move(each).get(element)) return error;
    if (into != nullptr && !std::exchange(first, false)) *into += ',';
    if (const auto error = copy(element, into, depth + 1)) return error;
  }
  if (into != nullptr) *into += ']';
  return simdjson::SUCCESS;
}

simdjson::error_code JsonRowParser::Simdjson::copy_object(ondemand::value& value, std::string* into,
                                                          int depth) {
  ondemand::object object;
  if (const auto error = value.get_object().get(object)) return error;
  if (into != nullptr) *into += '{';
  bool first = true;
  for (auto each : object) {
    ondemand::field field;
    if (const auto error = std::move(each).get(field)) return error;
    std::string_view name;
    if (const auto error = field.unescaped_key().get(name)) return error;
    if (into != nullptr) {
      if (!std::exchange(first, false)) *into += ',';
      *into += Json(name).dump() + ':';
    }
    if (const auto error = copy(field.value(), into, depth + 1)) return error;
  }
  if (into != nullptr) *into += '}';
  return simdjson::SUCCESS;
}

simdjson::error_code JsonRowParser::Simdjson::copy_scalar(ondemand::value& value, std::string* into,
                                                          ondemand::json_type type) {
  const std::string_view token = trimmed(value.raw_json_token());
  simdjson::error_code error = simdjson::SUCCESS;
  if (type == ondemand::json_type::string) {
    error = value.get_string().error();
  } else if (type == ondemand::json_type::number) {
    error = is_json_number(token) ? simdjson::SUCCESS : simdjson::NUMBER_ERROR;
  } else if (type == ondemand::json_type::boolean) {
    error = value.get_bool().error();
  } else {
    bool null = false;
    error = value.is_null().get(null);
    if (error == simdjson::SUCCESS && !null) error = simdjson::N_ATOM_ERROR;
  }
  if (error == simdjson::SUCCESS && into != nullptr) *into += token;
  return error;
}

}  // namespace millrace::ingest
