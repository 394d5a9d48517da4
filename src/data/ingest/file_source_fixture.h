#pragma once

// A source over files in memory, for tests of what is read from them.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "ingest/file_source.h"
#include "ingest/source_contract.h"

namespace millrace::ingest {

inline columnar::Schema flight_columns() {
  using columnar::Kind;
  using columnar::simple;
  return columnar::Schema({{"id", simple(Kind::Int32), false},
                           {"delay", simple(Kind::Int16), true},
                           {"carrier", simple(Kind::String), true}});
}

/// One folder, and the rows of flight_columns() in it.
struct Folder {
  std::unique_ptr<storage::ObjectStore> store = storage::make_memory_store();

  std::unique_ptr<Source> source(FileSourceSpec spec) {
    if (spec.name.empty()) spec.name = "flights";
    if (spec.pattern.empty()) spec.pattern = "in/flights-{date}*";
    if (spec.columns.size() == 0) spec.columns = flight_columns();
    auto opened = open_file_source(std::move(spec), *store);
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    return *std::move(opened);
  }

  /// What comes of one file with this content.
  ReadBack read(std::string_view content, FileSourceSpec spec = {}) {
    EXPECT_TRUE(store->put("in/flights-2013-01-05.x", content).ok());
    const auto opened = source(std::move(spec));
    return read_back(*opened, opened->list(Instant::max())->at(0));
  }
  ReadBack read_csv(std::string_view content) {
    FileSourceSpec spec;
    spec.format = FileFormat::Csv;
    return read(content, std::move(spec));
  }
};

inline constexpr std::string_view kEnd = "2013-01-05T23:59:59.999999Z|in/flights-2013-01-05.x|";

/// A row of that file as ReadBack shows it.
inline std::string row(std::string_view values, int number) {
  return std::string(values) + "|" + std::string(kEnd) + std::to_string(number) + "|2013-01-05";
}

}  // namespace millrace::ingest
