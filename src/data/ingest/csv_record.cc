#include "ingest/csv_record.h"

#include <algorithm>

#include <fmt/core.h>

#include "ingest/source.h"

namespace millrace::ingest {
namespace {

constexpr std::string_view kStrayQuote =
    "is not valid CSV: a quote inside of a field that does not begin with one";
constexpr std::string_view kAfterQuote = "is not valid CSV: text after a closing quote";

}  // namespace

bool CsvRecordReader::at_field_end(const Position& position) const {
  const std::string_view rest = position.text.substr(position.at);
  if (rest.empty()) return position.final;
  return rest[0] == delimiter_ || rest[0] == '\n' || rest.starts_with("\r\n") ||
         (rest == "\r" && position.final);
}

CsvRecordReader::Scan CsvRecordReader::plain_field(Position& position, CsvRecord& record) {
  const char stops[] = {delimiter_, '\n', '"', '\0'};
  const std::size_t first = position.at;
  const std::size_t end = position.text.find_first_of(std::string_view(stops, 3), first);
  if (end == std::string_view::npos && !position.final) return Scan::Unfinished;
  position.at = std::min(end, position.text.size());
  if (end != std::string_view::npos && position.text[end] == '"') {
    record.fault = kStrayQuote;
    return Scan::Broken;
  }
  const bool ends_record = end == std::string_view::npos || position.text[end] == '\n';
  std::string_view text = position.text.substr(first, position.at - first);
  if (ends_record && text.ends_with('\r')) text.remove_suffix(1);
  record.fields.push_back({text, false});
  return Scan::Whole;
}

CsvRecordReader::Scan CsvRecordReader::quoted_field(Position& position, CsvRecord& record) {
  const std::size_t first = ++position.at;
  std::string joined;  // with doubled quotes made single
  std::size_t from = first;
  while (true) {
    const std::size_t quote = position.text.find('"', position.at);
    if (quote == std::string_view::npos || (quote + 1 == position.text.size() && !position.final)) {
      if (!position.final) return Scan::Unfinished;
      record.fault = "is not valid CSV: a quote is opened and never closed";
      return Scan::Broken;
    }
    position.at = quote + 1;
    if (position.text.substr(position.at).starts_with('"')) {
      joined += position.text.substr(from, quote + 1 - from);
      from = ++position.at;
      continue;
    }
    const std::string_view last = position.text.substr(from, quote - from);
    if (from == first)
      record.fields.push_back({last, true});
    else
      record.fields.push_back({unescaped_.emplace_back(joined + std::string(last)), true});
    break;
  }
  if (position.text.substr(position.at) == "\r" && !position.final) return Scan::Unfinished;
  if (at_field_end(position)) return Scan::Whole;
  if (position.at == position.text.size()) return Scan::Unfinished;
  record.fault = kAfterQuote;
  return Scan::Broken;
}

/// Reads fields up to the end of the record; `position.at` is then behind its line end.
CsvRecordReader::Scan CsvRecordReader::scan(Position& position, CsvRecord& record) {
  record.fields.clear();
  record.fault.clear();
  unescaped_.clear();
  while (true) {
    const bool quoted = position.text.substr(position.at).starts_with('"');
    const Scan outcome = quoted ? quoted_field(position, record) : plain_field(position, record);
    if (outcome != Scan::Whole) return outcome;
    if (position.at < position.text.size() && position.text[position.at] == delimiter_) {
      if (++position.at == position.text.size() && !position.final) return Scan::Unfinished;
      continue;
    }
    return Scan::Whole;
  }
}

void CsvRecordReader::finish(Position& position, CsvRecord& record) {
  record.raw = position.text.substr(0, position.at);
  if (record.raw.ends_with('\r')) record.raw.remove_suffix(1);
  if (position.text.substr(position.at).starts_with('\r')) ++position.at;
  if (position.text.substr(position.at).starts_with('\n')) ++position.at;
  const std::string_view used = position.text.substr(0, position.at);
  line_ += std::count(used.begin(), used.end(), '\n');
  pending_ = position.at;
}

/// Makes the first line of what is in the window the record, and goes behind it.
Status CsvRecordReader::broken(CsvRecord& record) {
  record.fields.clear();
  beginning_ = TRY(window_.skip_line(std::min(max_record_bytes_, kRawBytes)));
  record.raw = beginning_;
  if (record.raw.ends_with('\r')) record.raw.remove_suffix(1);
  ++line_;
  return {};
}

Result<bool> CsvRecordReader::next(CsvRecord& record) {
  window_.consume(std::exchange(pending_, 0));
  record.number = line_;
  bool final = false;
  while (true) {
    if (line_ == 1 && window_.text().starts_with(kByteOrderMark))
      window_.consume(kByteOrderMark.size());
    Position position{window_.text(), 0, final};
    if (final && position.text.empty()) return false;
    const Scan outcome = position.text.empty() ? Scan::Unfinished : scan(position, record);
    const std::size_t length = outcome == Scan::Whole ? position.at : position.text.size();
    const bool too_long = outcome != Scan::Broken && length > max_record_bytes_;
    if (too_long)
      record.fault = fmt::format("is longer than {} bytes (max_line)", max_record_bytes_);
    if (outcome == Scan::Whole) {
      finish(position, record);
      return true;
    }
    if (outcome == Scan::Broken || too_long) {
      TRY(broken(record));
      return true;
    }
    final = !TRY(window_.more());
  }
}

}  // namespace millrace::ingest
