#include "ingest/file_source.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/suggest.h"
#include "ingest/file_pattern.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;

CivilTime civil_day(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return {static_cast<int>(date.year()), static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day()))};
}

/// The first moment of a day. Where clocks jump over midnight the day begins with the jump.
/// Earlier than any row, and a moment that SQL can write.
constexpr Instant kBeforeAll = std::chrono::sys_days(std::chrono::year{1} / 1 / 1);

Instant start_of(const TimeZone& zone, const CivilTime& day) {
  const TimeZone::Resolved resolved = zone.resolve({day.year, day.month, day.day});
  return resolved.kind == TimeZone::Kind::Skipped ? resolved.transition : resolved.before;
}

class FileSource final : public Source {
 public:
  FileSource(FileSourceSpec spec, FilePattern pattern, storage::ObjectStore& store)
      : spec_(std::move(spec)), pattern_(std::move(pattern)), store_(store) {}

  Status prepare();
  const std::string& name() const override { return spec_.name; }
  const columnar::Schema& columns() const override { return spec_.columns; }
  const std::string& delivered_at_column() const override { return spec_.delivered_at_column; }
  bool keeps_unknown() const override {
    return spec_.format == FileFormat::JsonLines && spec_.unknown == UnknownMembers::Keep;
  }
  Result<std::vector<Delivery>> list(Instant before) override;
  Result<std::unique_ptr<DeliveryReader>> open(const Delivery& delivery) override;
  Result<std::string> content_hash(const Delivery& delivery) override {
    return sha256_of_object(store_,
                            {delivery.path, delivery.size_bytes, delivery.modified, delivery.etag});
  }
  Result<std::vector<PassedOver>> passed_over(Instant before) override;
  Result<std::string> why_nothing(Instant before) override;

 private:
  Status check_delivered_at() const;
  std::string why_so_late(const std::vector<Delivery>& deliveries) const;
  DeliveryWindow window(const FilePattern::Match& match, Instant modified) const;

  FileSourceSpec spec_;
  FilePattern pattern_;
  storage::ObjectStore& store_;
  RowLayout layout_;
};

Status check_source_name(const std::string& name) {
  const bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
  if (good) return {};
  return Error(ErrorCode::Invalid,
               fmt::format("source name {} must be of letters, digits, '_', '-' "
                           "and '.'",
                           in_quotes(name)));
}

Status FileSource::check_delivered_at() const {
  const std::string& name = spec_.delivered_at_column;
  const columnar::Schema& columns = spec_.columns;
  if (name.empty()) {
    if (!columns.index_of(kDeliveredAt)) return {};
    return Error(
        ErrorCode::Invalid,
        fmt::format("source {} declares a column \"{}\", which would be added to its rows; "
                    "set delivered_at to it if it says when a row was delivered, or rename it",
                    spec_.name, kDeliveredAt));
  }
  const auto column = columns.index_of(name);
  if (!column)
    return Error(
        ErrorCode::Invalid,
        fmt::format("source {}: delivered_at names \"{}\", which is not a declared column{}",
                    spec_.name, name, suggestion(name, columns.names())));
  if (columns[*column].type.kind != Kind::Timestamp || columns[*column].nullable)
    return Error(
        ErrorCode::Invalid,
        fmt::format("source {}: delivered_at column \"{}\" must be a required TIMESTAMP WITH "
                    "TIME ZONE",
                    spec_.name, name));
  return {};
}

Status FileSource::prepare() {
  TRY(check_source_name(spec_.name));
  const bool is_utc = spec_.zone.name() == TimeZone::utc().name();
  layout_.rules =
      TRY_DOING("source " + spec_.name,
                column_rules(spec_.columns, is_utc ? Offset::Allowed : Offset::Required));
  TRY(check_delivered_at());
  if (spec_.max_line_bytes == 0 || spec_.max_line_bytes > (256U << 20U))
    return Error(ErrorCode::Invalid,
                 fmt::format("source {}: max_line is {} bytes; it must be from 1 to 268435456",
                             spec_.name, spec_.max_line_bytes));
  if (std::string_view("\"\r\n\0", 4).find(spec_.delimiter) != std::string_view::npos)
    return Error(
        ErrorCode::Invalid,
        fmt::format("source {}: the delimiter cannot be a quote, a line end or NUL", spec_.name));
  layout_.schema = std::make_shared<columnar::Schema>(arrived(*this));
  layout_.keeps_unknown = keeps_unknown();
  if (!spec_.delivered_at_column.empty())
    layout_.delivered_at = spec_.columns.index_of(spec_.delivered_at_column);
  return {};
}

DeliveryWindow FileSource::window(const FilePattern::Match& match, Instant modified) const {
  if (match.day)
    return {start_of(spec_.zone, civil_day(*match.day)),
            start_of(spec_.zone, civil_day(*match.day + 1)) - Duration(1), *match.day};
  const Instant moment = spec_.delivered.value_or(modified);
  return {Instant::min(), moment,
          std::chrono::floor<std::chrono::days>(moment).time_since_epoch().count()};
}

Result<std::vector<Delivery>> FileSource::list(Instant before) {
  std::vector<Delivery> deliveries;
  for (const storage::ObjectInfo& object : TRY(store_.list(pattern_.prefix()))) {
    const auto match = pattern_.match(object.key);
    if (!match) continue;
    const Instant delivered_at = window(*match, object.modified).last;
    if (delivered_at < before)
      deliveries.push_back(
          {object.key, delivered_at, object.size_bytes, object.modified, object.etag});
  }
  std::sort(deliveries.begin(), deliveries.end(), [](const Delivery& a, const Delivery& b) {
    return std::tie(a.delivered_at, a.path) < std::tie(b.delivered_at, b.path);
  });
  return deliveries;
}

Result<std::vector<PassedOver>> FileSource::passed_over(Instant before) {
  std::vector<PassedOver> passed;
  const auto nearly = [&](const std::string& path) {
    if (pattern_.nearly_matches(path))
      passed.push_back({path, fmt::format("nearly fits '{}', but has no day where {{date}} stands",
                                          pattern_.text())});
  };
  for (const storage::ObjectInfo& object : TRY(store_.list(pattern_.prefix()))) nearly(object.key);
  for (const storage::NoObject& other : TRY(store_.passed_over(pattern_.prefix()))) {
    const auto match = pattern_.match(other.key);
    if (match && window(*match, Instant::min()).last < before)
      passed.push_back({other.key, "is " + other.what, other.is_content});
    else
      nearly(other.key);
  }
  std::ranges::sort(passed, {}, &PassedOver::path);
  return passed;
}

/// `deliveries`: all that there are, and all of them later.
std::string FileSource::why_so_late(const std::vector<Delivery>& deliveries) const {
  const Delivery& first = deliveries.front();
  std::string text =
      fmt::format("{} was delivered at {}", first.path, format_instant(first.delivered_at));
  if (deliveries.size() > 1)
    text = fmt::format("the first of {} files, {}", deliveries.size(), text);
  if (pattern_.has_date()) return text;
  return text + (spec_.delivered ? ", as 'delivered' says"
                                 : ", when it was last written; put {date} into the pattern, or "
                                   "say with 'delivered' when it came");
}

/// Only files as deep as the pattern are looked at: others are not meant.
Result<std::string> FileSource::why_nothing(Instant /*before*/) {
  const std::vector<Delivery> later = TRY(list(Instant::max()));
  if (!later.empty()) return why_so_late(later);
  const std::string_view prefix = pattern_.prefix();
  const std::string_view folder = prefix.substr(0, prefix.rfind('/') + 1);
  const auto depth = std::ranges::count(pattern_.text(), '/');
  std::vector<std::string> others;
  for (const storage::ObjectInfo& object : TRY(store_.list(folder)))
    if (std::ranges::count(object.key, '/') == depth) others.push_back(object.key);
  std::string text = fmt::format("no file fits the pattern '{}'", pattern_.text());
  if (others.empty()) return text + ", and there is no other";
  text += fmt::format("; there is {}", others.front());
  return others.size() == 1 ? text : text + fmt::format(" and {} more", others.size() - 1);
}

Result<std::unique_ptr<DeliveryReader>> FileSource::open(const Delivery& delivery) {
  const auto match = pattern_.match(delivery.path);
  if (!match)
    return Error(ErrorCode::NotFound, fmt::format("{} is not a delivery of source {} ('{}')",
                                                  delivery.path, spec_.name, pattern_.text()));
  const DeliveryWindow when = window(*match, delivery.delivered_at);
  auto bytes = std::make_unique<ByteStream>(
      store_,
      storage::ObjectInfo{delivery.path, delivery.size_bytes, delivery.modified, delivery.etag});
  if (spec_.format == FileFormat::Csv)
    return read_csv(std::move(bytes), layout_, delivery, when,
                    {spec_.delimiter, spec_.null_texts, spec_.max_line_bytes});
  return read_json_lines(std::move(bytes), layout_, delivery, when,
                         {spec_.unknown, spec_.max_line_bytes});
}

}  // namespace

Instant rows_before(const FileSourceSpec& spec, Instant before) {
  if (spec.delivered_at_column.empty()) return before;  // a row has its file's moment
  const auto pattern = FilePattern::parse(spec.pattern);
  if (pattern.ok() && pattern->has_date()) return start_of(spec.zone, spec.zone.civil(before));
  if (spec.delivered && *spec.delivered >= before) return kBeforeAll;
  return before;
}

Result<std::unique_ptr<Source>> open_file_source(FileSourceSpec spec, storage::ObjectStore& store) {
  FilePattern pattern = TRY_DOING("source " + spec.name, FilePattern::parse(spec.pattern));
  auto source = std::make_unique<FileSource>(std::move(spec), std::move(pattern), store);
  TRY(source->prepare());
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace millrace::ingest
