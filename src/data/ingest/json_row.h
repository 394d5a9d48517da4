#pragma once

// One line of JSON into the cells of one row, with simdjson.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/cell.h"
#include "ingest/json_lines.h"

namespace millrace::ingest {

struct RowFault {
  std::string reason;
  std::string column_name;
};

class JsonRowParser {
 public:
  /// `rules` must outlive the parser.
  JsonRowParser(std::span<const ColumnRule> rules, UnknownMembers unknown);
  ~JsonRowParser();

  /// Fills cells(), unknown() and unknown_names(), or says what is wrong with the line. `line` must
  /// be followed by TextWindow::kPadding readable bytes. What it fills is valid until the next call
  /// and as long as `line`.
  std::optional<RowFault> parse(std::string_view line);

  std::span<const Cell> cells() const { return cells_; }
  /// The members without a column as one JSON object, or "" (only with Keep).
  std::string_view unknown() const { return unknown_; }
  std::span<const std::string> unknown_names() const { return unknown_names_; }

 private:
  struct Simdjson;
  std::span<const ColumnRule> rules_;
  UnknownMembers policy_;
  std::vector<Cell> cells_;
  std::string unknown_;
  std::vector<std::string> unknown_names_;
  std::unique_ptr<Simdjson> simdjson_;
};

}  // namespace millrace::ingest
