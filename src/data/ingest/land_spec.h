#pragma once

// What a landing is told: where the rows go, for which run, and what becomes of what is bad.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "ingest/landing_rows.h"
#include "ingest/source.h"
#include "lake/table_name.h"
#include "lake/write_spec.h"

namespace millrace::ingest {

enum class OnBadFile : std::uint8_t { Fail, Skip };
/// What a later generation does when its run has landed files that are no longer delivered.
enum class Gone : std::uint8_t { Refuse, Keep };

struct LandSpec {
  lake::TableName table;
  /// A required TIMESTAMP WITH TIME ZONE, TIMESTAMP or DATE column: the table is partitioned by its
  /// day in UTC, as the column `partition`. Empty: the table is not partitioned, no row is late.
  std::string event_time;
  std::string partition = "event_date";
  /// The logical date of the run: it sees what was delivered before it.
  Instant before;
  /// Dag, run, task and table, with the generation of the task in its run.
  lake::Writer writer;
  /// Asked right before each commit; a failure ends the landing. May be empty.
  std::function<Status()> fence;
  OnBadFile on_bad_file = OnBadFile::Fail;
  Gone gone = Gone::Refuse;
  BadRowLimits limits;
  /// The sources of the project. A table that holds rows of one that is none of them is refused: a
  /// source that was renamed would land all its files again. Empty: not asked.
  std::vector<std::string> sources;
  int threads = 0;  // that read deliveries; 0: as many as the machine has
  std::function<void(const LandProgress&)> progress;  // called from this thread
};

/// Whether it can be, of this source. Errors: Invalid names the setting and what it may be.
Status check_land_spec(const LandSpec& spec, const Source& source);

}  // namespace millrace::ingest
