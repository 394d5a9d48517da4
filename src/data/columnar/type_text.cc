// Types as text: the grammar that DuckDB prints, and what users write beside it.

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include <fmt/core.h>

#include "base/suggest.h"
#include "base/text.h"
#include "columnar/schema.h"

namespace millrace::columnar {

namespace {

constexpr int kDeepestType = 32;

struct Spelling {
  std::string_view name;
  Kind kind;
};

// The first spelling of a kind is the one that to_sql writes. INT8 is eight bytes, as in Postgres
// and DuckDB; TIMESTAMP has no zone, as in both.
constexpr Spelling kSpellings[] = {
    {"BOOLEAN", Kind::Boolean},
    {"TINYINT", Kind::Int8},
    {"SMALLINT", Kind::Int16},
    {"INTEGER", Kind::Int32},
    {"BIGINT", Kind::Int64},
    {"FLOAT", Kind::Float32},
    {"DOUBLE", Kind::Float64},
    {"VARCHAR", Kind::String},
    {"BLOB", Kind::Binary},
    {"DATE", Kind::Date},
    {"TIMESTAMP WITH TIME ZONE", Kind::Timestamp},
    {"TIMESTAMP", Kind::TimestampNtz},
    {"DECIMAL", Kind::Decimal},
    {"BOOL", Kind::Boolean},
    {"LOGICAL", Kind::Boolean},
    {"BYTE", Kind::Int8},
    {"INT1", Kind::Int8},
    {"SHORT", Kind::Int16},
    {"INT2", Kind::Int16},
    {"INT", Kind::Int32},
    {"INT4", Kind::Int32},
    {"SIGNED", Kind::Int32},
    {"LONG", Kind::Int64},
    {"INT8", Kind::Int64},
    {"REAL", Kind::Float32},
    {"FLOAT4", Kind::Float32},
    {"FLOAT8", Kind::Float64},
    {"STRING", Kind::String},
    {"TEXT", Kind::String},
    {"CHAR", Kind::String},
    {"BPCHAR", Kind::String},
    {"BINARY", Kind::Binary},
    {"VARBINARY", Kind::Binary},
    {"BYTEA", Kind::Binary},
    {"TIMESTAMPTZ", Kind::Timestamp},
    {"DATETIME", Kind::TimestampNtz},
    {"TIMESTAMP_NTZ", Kind::TimestampNtz},
    {"NUMERIC", Kind::Decimal},
    {"DEC", Kind::Decimal},
};

// The words that DuckDB 1.5 does not take as a bare field name (duckdb_keywords(), the categories
// reserved and type_function), sorted.
constexpr std::array<std::string_view, 110> kKeywords = {
    "all",
    "analyse",
    "analyze",
    "and",
    "anti",
    "any",
    "array",
    "as",
    "asc",
    "asof",
    "asymmetric",
    "at",
    "authorization",
    "binary",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "columns",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "default",
    "deferrable",
    "desc",
    "describe",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "generated",
    "glob",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lambda",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "map",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "pivot",
    "pivot_longer",
    "pivot_wider",
    "placing",
    "positional",
    "primary",
    "qualify",
    "references",
    "returning",
    "right",
    "select",
    "semi",
    "show",
    "similar",
    "some",
    "struct",
    "summarize",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "try_cast",
    "union",
    "unique",
    "unpack",
    "unpivot",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
};

char to_upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string quote_where_needed(const std::string& name) {
  bool plain = !name.empty() && is_letter(name[0]) &&
               std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c); });
  if (plain && !std::ranges::binary_search(kKeywords, fold_case(name))) return name;
  std::string quoted = "\"";
  for (char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::string_view name_of(Kind kind) {
  const Spelling* found = std::ranges::find(kSpellings, kind, &Spelling::kind);
  return found->name;
}

/// A cursor over the text of one type.
class TypeParser {
 public:
  explicit TypeParser(std::string_view text) : text_(text) {}

  Result<DataType> parse_all() {
    DataType type = TRY(parse(0));
    skip_space();
    if (at_ != text_.size()) return fail("expected the end of the type");
    return type;
  }

 private:
  Error fail(std::string_view what) const {
    return {ErrorCode::Invalid,
            fmt::format("type '{}', at character {}: {}", text_.substr(0, 200), at_ + 1, what)};
  }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Status expect(char c) {
    if (!take(c)) return fail(fmt::format("expected '{}'", c));
    return {};
  }

  /// The next word in capitals, or "" when none stands here.
  std::string word() {
    skip_space();
    std::string word;
    if (at_ < text_.size() && !is_letter(text_[at_])) return word;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) {
      word += to_upper(text_[at_++]);
    }
    return word;
  }

  bool take_words(std::initializer_list<std::string_view> words) {
    std::size_t before = at_;
    for (std::string_view expected : words) {
      if (word() != expected) {
        at_ = before;
        return false;
      }
    }
    return true;
  }

  Result<int> number() {
    skip_space();
    int value = 0;
    const char* first = text_.data() + at_;
    auto [end, error] = std::from_chars(first, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) return fail("expected a number");
    at_ += static_cast<std::size_t>(end - first);
    return value;
  }

  Result<std::string> field_name() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '"') return quoted_name();
    std::size_t first = at_;
    if (word().empty()) return fail("expected a field's name");
    return std::string(text_.substr(first, at_ - first));
  }

  Result<std::string> quoted_name() {
    std::string name;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != '"') {
        name += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        name += '"';
        ++at_;
      } else {
        ++at_;
        return name;
      }
    }
    return fail("a quoted name has no end");
  }

  Result<DataType> parse(int depth) {
    if (depth > kDeepestType)
      return fail(fmt::format("nested deeper than {} levels", kDeepestType));
    std::size_t before = at_;
    std::string name = word();
    if (name.empty()) return fail("expected the name of a type");
    DataType type = TRY(parse_named(name, before, depth));
    for (int levels = depth; take('[');) {
      if (++levels > kDeepestType)
        return fail(fmt::format("nested deeper than {} levels", kDeepestType));
      if (!take(']')) return fail("expected ']': lists have no fixed length here");
      type = list_of(std::move(type));
    }
    return type;
  }

  Result<DataType> parse_named(const std::string& name, std::size_t before, int depth) {
    if (name == "STRUCT") return parse_struct(depth);
    if (name == "MAP") return parse_map(depth);
    const Spelling* found = std::ranges::find(kSpellings, name, &Spelling::name);
    if (found == std::end(kSpellings)) {
      skip_space();
      at_ = before;
      return fail(fmt::format("'{}' is no type of a table{}", name, suggest(name)));
    }
    switch (found->kind) {
      case Kind::Decimal:
        return parse_decimal();
      case Kind::TimestampNtz:
        if (name != "TIMESTAMP") return simple(Kind::TimestampNtz);
        if (take_words({"WITH", "TIME", "ZONE"})) return simple(Kind::Timestamp);
        (void)take_words({"WITHOUT", "TIME", "ZONE"});
        return simple(Kind::TimestampNtz);
      case Kind::Float64:
        (void)take_words({"PRECISION"});
        return simple(Kind::Float64);
      case Kind::String:
        return parse_string();
      default:
        return simple(found->kind);
    }
  }

  static std::string suggest(const std::string& name) {
    std::vector<std::string> known = {"STRUCT", "MAP"};
    for (const Spelling& spelling : kSpellings) known.emplace_back(spelling.name);
    // INT is meant more often than INT1.
    std::ranges::stable_partition(known, [](const std::string& word) {
      return word.find_first_of("0123456789") == std::string::npos;
    });
    return suggestion(name, known);
  }

  Result<DataType> parse_decimal() {
    if (!take('(')) return decimal(18, 3);  // DuckDB's default
    int precision = TRY(number());
    int scale = take(',') ? TRY(number()) : 0;
    TRY(expect(')'));
    if (precision < 1 || precision > 38 || scale > precision) {
      return fail("a DECIMAL(precision, scale) has precision 1..38 and scale 0..precision");
    }
    return decimal(precision, scale);
  }

  /// VARCHAR(20) is accepted for the sake of other databases; the length means nothing here.
  Result<DataType> parse_string() {
    if (take('(')) {
      TRY(number());
      TRY(expect(')'));
    }
    return simple(Kind::String);
  }

  Result<DataType> parse_struct(int depth) {
    TRY(expect('('));
    std::vector<Field> fields;
    do {
      std::string name = TRY(field_name());
      DataType type = TRY(parse(depth + 1));
      fields.push_back({std::move(name), std::move(type)});
    } while (take(','));
    TRY(expect(')'));
    return struct_of(std::move(fields));
  }

  Result<DataType> parse_map(int depth) {
    TRY(expect('('));
    DataType key = TRY(parse(depth + 1));
    TRY(expect(','));
    DataType value = TRY(parse(depth + 1));
    TRY(expect(')'));
    return map_of(std::move(key), std::move(value));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string to_sql(const DataType& type) {
  switch (type.kind) {
    case Kind::Decimal:
      return fmt::format("DECIMAL({},{})", type.precision, type.scale);
    case Kind::List:
      return to_sql(type.children.at(0).type) + "[]";
    case Kind::Map:
      return fmt::format("MAP({}, {})", to_sql(type.children.at(0).type),
                         to_sql(type.children.at(1).type));
    case Kind::Struct: {
      std::string text = "STRUCT(";
      for (const Field& field : type.children) {
        if (&field != type.children.data()) text += ", ";
        text += quote_where_needed(field.name) + ' ' + to_sql(field.type);
      }
      return text + ')';
    }
    default:
      return std::string(name_of(type.kind));
  }
}

Result<DataType> parse_type(std::string_view text) {
  return TypeParser(text).parse_all();
}

}  // namespace millrace::columnar
