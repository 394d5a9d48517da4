#include "ingest/land_spec.h"

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::ingest {
namespace {

using columnar::Kind;

Status check_event_time(const LandSpec& spec, const Source& source) {
  const columnar::Schema& columns = source.columns();
  const auto column = columns.index_of(spec.event_time);
  if (!column)
    return Error(
        ErrorCode::Invalid,
        fmt::format("landing {}: event_time names \"{}\", which source {} does not declare{}",
                    spec.table.text(), spec.event_time, source.name(),
                    suggestion(spec.event_time, columns.names())));
  const Kind kind = columns[*column].type.kind;
  const bool is_time = kind == Kind::Timestamp || kind == Kind::TimestampNtz || kind == Kind::Date;
  if (!is_time || columns[*column].nullable)
    return Error(ErrorCode::Invalid,
                 fmt::format("landing {}: event_time \"{}\" must be a required TIMESTAMP WITH TIME "
                             "ZONE, TIMESTAMP or DATE",
                             spec.table.text(), spec.event_time));
  if (arrived(source).index_of(spec.partition))
    return Error(
        ErrorCode::Invalid,
        fmt::format("landing {}: the rows have a column \"{}\" already; give the partition "
                    "column another name",
                    spec.table.text(), spec.partition));
  return {};
}

}  // namespace

Status check_land_spec(const LandSpec& spec, const Source& source) {
  if (spec.writer.app_id.empty() || spec.writer.generation < 1)
    return Error(ErrorCode::Invalid,
                 fmt::format("landing {}: a landing needs a writer with a generation from 1 on",
                             spec.table.text()));
  if (!(spec.limits.max_bad_share >= 0 && spec.limits.max_bad_share <= 1))
    return Error(ErrorCode::Invalid, fmt::format("landing {}: max_bad_share is {}; it is a share "
                                                 "from 0 to 1",
                                                 spec.table.text(), spec.limits.max_bad_share));
  if (spec.event_time.empty()) return {};
  return check_event_time(spec, source);
}

}  // namespace millrace::ingest
