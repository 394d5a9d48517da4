#pragma once

// Records of CSV (RFC 4180) out of a stream of text.
//
// Fields are separated by the delimiter; records end with "\n" or "\r\n", the last one also with
// the text. A field in quotes may hold delimiters, line ends and doubled quotes. A quote inside of
// a field without quotes, and text after a closing quote, break the record. After a broken record
// reading goes on in the line behind the one on which it began, so that one stray quote cannot
// swallow the file.
//
// Why not DuckDB's read_csv: it gives no line numbers of good rows, knows gzip by the name, and
// would ask its question in the session into which the rows are being loaded.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ingest/line_reader.h"

namespace millrace::ingest {

struct CsvField {
  std::string_view text;
  bool quoted = false;
};

struct CsvRecord {
  std::int64_t number = 0;  // the line on which it begins, from 1
  std::string_view raw;     // as it stood, without its end
  std::vector<CsvField> fields;
  std::string fault;  // why the record is broken, or ""
};

class CsvRecordReader {
 public:
  CsvRecordReader(ByteStream& bytes, char delimiter, std::size_t max_record_bytes)
      : window_(bytes), delimiter_(delimiter), max_record_bytes_(max_record_bytes) {}

  /// Fills `record`, which looks into this reader until the next call. False at the end. Errors:
  /// those of the stream.
  Result<bool> next(CsvRecord& record);

 private:
  enum class Scan : std::uint8_t { Whole, Unfinished, Broken };
  struct Position {
    std::string_view text;
    std::size_t at = 0;
    bool final = false;  // nothing comes after `text`
  };
  Scan scan(Position& position, CsvRecord& record);
  Scan plain_field(Position& position, CsvRecord& record);
  Scan quoted_field(Position& position, CsvRecord& record);
  bool at_field_end(const Position& position) const;
  Status broken(CsvRecord& record);
  void finish(Position& position, CsvRecord& record);

  TextWindow window_;
  char delimiter_;
  std::size_t max_record_bytes_;
  std::size_t pending_ = 0;
  std::int64_t line_ = 1;              // on which the next record begins
  std::deque<std::string> unescaped_;  // fields with doubled quotes
  std::string beginning_;              // of a broken record's line
};

}  // namespace millrace::ingest
