#pragma once

// One value of one row on its way from text to a column: what a declared column accepts, and how a
// refusal is worded.
//
// Text is read strictly: no blanks around it, no thousands separators, no "1e3" for an integer.
//   BOOLEAN                     true, false (any case), in CSV also t, f, 1, 0
//   TINYINT .. BIGINT           decimal digits with an optional '-'; in JSON also 5.0
//   REAL, DOUBLE                as JSON writes numbers; in CSV also a leading '+' is refused, and
//                               NaN and infinities are: no number of JSON can be one
//   DECIMAL(p,s), p <= 18       digits with at most s of them (beyond zeros) after the point; exact
//   VARCHAR                     any valid UTF-8 without NUL
//   DATE                        2013-12-01
//   TIMESTAMP WITH TIME ZONE    2013-12-01T05:00:00Z, +01:00, -0500, blank for T, seconds and up to
//                               nine digits of fraction optional (cut to microseconds). Without
//                               offset it is UTC, and a date alone its midnight in UTC; in a source
//                               of another time zone it is refused, since nobody could tell which
//                               of the two was meant
//   TIMESTAMP                   the same without offset

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "columnar/record_batch.h"
#include "columnar/schema.h"
#include "ingest/time_text.h"

namespace millrace::ingest {

struct Cell {
  enum class State : std::uint8_t { Missing, Null, Value };
  State state = State::Missing;
  std::int64_t integer = 0;  // booleans, integers, unscaled decimals, days, microseconds
  double number = 0;
  std::string_view text;
};

enum class Fault : std::uint8_t { None, Type, Range, Nul };

/// A declared column, prepared for reading.
struct ColumnRule {
  std::string name;
  std::string type;  // as SQL writes it
  columnar::Kind kind = columnar::Kind::String;
  int scale = 0;
  bool nullable = true;
  std::int64_t low = 0;  // of integers and unscaled decimals
  std::int64_t high = 0;
  Offset offset = Offset::Allowed;  // of moments
};

/// Errors: Unsupported for a type that has no text form here (nested, BINARY, decimals above 18
/// digits); Invalid for a name that is empty, begins with '_' or holds a quote, a backslash, a
/// control character or what no table of the lake has in a name, and for two columns of one name.
/// `offset`: of TIMESTAMP WITH TIME ZONE.
Result<std::vector<ColumnRule>> column_rules(const columnar::Schema& columns,
                                             Offset offset = Offset::Allowed);

/// Reads `text` as a value of the column. `text` must be valid UTF-8; the cell looks into it.
Fault read_text(const ColumnRule& rule, std::string_view text, Cell& cell);

/// Puts a whole number into an integer or floating column. Precondition: it is one.
Fault put_integer(const ColumnRule& rule, std::int64_t value, Cell& cell);
/// Puts a number into a floating column, or a whole one into an integer column. Precondition: it is
/// one of these.
Fault put_number(const ColumnRule& rule, double value, Cell& cell);

/// Whether it is a number as RFC 8259 writes them.
bool is_json_number(std::string_view text);

/// "column \"x\" is INTEGER, found the string \"12\"". `found` is the caller's wording of the
/// value.
std::string explain(const ColumnRule& rule, Fault fault, std::string_view found);
/// A value as it may stand in a message: at most 40 bytes, on one line, in quotes.
std::string in_quotes(std::string_view text);

/// Appends a row of checked cells: columns 0 .. cells.size() - 1.
void append_row(std::span<const ColumnRule> rules, std::span<const Cell> cells,
                columnar::BatchBuilder& builder);

}  // namespace millrace::ingest
