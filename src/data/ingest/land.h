#pragma once

// Landing: every delivery that is not yet landed becomes rows of a lake table, in one commit with
// the cursor (land_plan.h).
//
// Landing again changes nothing. A later generation lands again exactly what its own run landed, and
// what arrived late since; the lake replaces its former files in that commit. Where files of its own
// are no longer delivered, that would lose their rows: it is refused when the run was cleared,
// and leaves what was landed as it is when it is only run again (Gone).
//
// The fate of bad input, all of it also in `<table>__rejected` (dead_letters.h), which is committed
// first, so that no crash can drop a reason:
//
//   a row that cannot be read            a dead letter; the good rows of its delivery land
//     (wrong type, out of range, required value missing, too few or many fields, not JSON, not
//     UTF-8, NUL byte, longer than max_line, delivered_at outside of the delivery's day)
//   too many of them in one delivery     the delivery is refused (BadRowLimits)
//   a delivery that cannot be read       it is refused
//     (cut off or damaged gzip, empty, wrong header)
//   a landed delivery that has changed   it is refused; what was landed stays
//   a symbolic link to a file            it is refused, unless a file of that name was landed
//
// What looks like a delivery and is none (a pipe, a link that leads nowhere, orders-2013-13-03) is
// passed over and reported.
//
// Why dead letters are no part of the commit with the rows: they are another table's. Why first: a
// crash between the two leaves reasons without rows, and the next attempt, which finds the letters
// there by their hash, adds the rows.
//
// One refused delivery fails the whole landing and nothing lands (OnBadFile::Fail), or is left out
// and reported, and taken by the first run that finds it whole (OnBadFile::Skip). Nothing is lost,
// nothing lands twice.
//
// A delivery under a new name lands although another one had the same content: two quiet days may be
// alike, and only who delivers knows. It is reported (LandReport::same_content).
//
// A row is late when the day of its event (UTC) is before the day of its delivery; it goes to the
// partition of its event all the same.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "engine/engine.h"
#include "ingest/land_spec.h"
#include "ingest/source.h"
#include "lake/lake.h"

namespace millrace::ingest {

struct LandReport {
  lake::Version version;  // of the table, after the landing
  bool changed = false;   // whether this call made that version
  std::int64_t deliveries_landed = 0;
  std::int64_t deliveries_already = 0;    // landed before, by this run or another
  std::string why_nothing;                // where nothing is delivered: Source::why_nothing
  std::vector<std::string> skipped;       // refused ones, with the reason (OnBadFile::Skip)
  std::vector<std::string> passed_over;   // no deliveries, though they look so: "path is a pipe"
  std::vector<std::string> same_content;  // as another: "path has the same content as other"
  std::vector<std::string> kept;          // landed before and no longer delivered (Gone::Keep)
  std::int64_t rows_read = 0;             // of all deliveries that were read
  std::int64_t rows_landed = 0;
  std::int64_t rows_late = 0;
  std::int64_t rows_rejected = 0;
  std::vector<std::string> first_rejected;  // up to 5: "path:row: reason"
  std::map<std::string, std::int64_t> unknown_members;
  std::int64_t partitions = 0;  // that got rows
  std::uint64_t bytes = 0;      // of the landed deliveries, as stored
  std::string key;              // landing_key() of what was listed, as it is after the landing
};

/// Lands. The rows, in the order of deliveries and rows, pass through a table of `session` (which
/// spills when its engine has a spill folder), named `ingest_landing`. Columns that the source
/// declares anew are added to the table. Errors: Invalid (spec; landed_table.h); DataQuality or Corruption (a
/// refused delivery; names each); NotFound (nothing was ever delivered; a delivery that a cleared
/// run has landed is gone); Conflict (another run landed one of the deliveries meanwhile: try
/// again); those of the fence, the store, the lake and the engine.
Result<LandReport> land(lake::Lake& lake, engine::Session& session, Source& source,
                        const LandSpec& spec);

/// LandReport::key as it would be if land() had been called now and had landed nothing: while it is
/// that of the last landing, there is nothing to do. Cost: a listing, and reading the deliveries whose
/// modification time is not that of their landing. Errors: those of the source and the lake.
Result<std::string> key_of_landing(lake::Lake& lake, engine::Session& session, Source& source,
                                   const LandSpec& spec);

/// "raw.flights__rejected" for "raw.flights".
Result<lake::TableName> rejected_table(const lake::TableName& table);

}  // namespace millrace::ingest
