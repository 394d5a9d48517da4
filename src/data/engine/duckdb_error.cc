#include "engine/duckdb_error.h"

#include <algorithm>
#include <span>
#include <string>

#include <fmt/core.h>

namespace millrace::engine {

namespace {

struct Meaning {
  std::string_view prefix;  // of the message
  ErrorCode code;
};

constexpr Meaning kMeanings[] = {
    {"Out of Memory Error", ErrorCode::Exhausted},
    {"INTERRUPT Error", ErrorCode::Cancelled},
    {"IO Error", ErrorCode::Unavailable},
    {"HTTP Error", ErrorCode::Unavailable},
    {"Network Error", ErrorCode::Unavailable},
    {"Connection Error", ErrorCode::Unavailable},
    {"Not implemented Error", ErrorCode::Unsupported},
    {"Missing Extension Error", ErrorCode::Unsupported},
    {"Extension Autoloading Error", ErrorCode::Unsupported},
    {"Permission Error", ErrorCode::Denied},
    {"INTERNAL Error", ErrorCode::Internal},
    {"FATAL Error", ErrorCode::Internal},
    {"Serialization Error", ErrorCode::Internal},
    {"TransactionContext Error", ErrorCode::Internal},
};

/// What DuckDB says when a file's bytes are wrong; it files these under its errors of input.
constexpr std::string_view kBrokenFile[] = {
    "No magic bytes found at end of file",
    "too small to be a Parquet file",
    "Corrupt",
    "TProtocolException",
    "Invalid footer",
    "Failed to read Parquet",
};

constexpr std::string_view kDiskFull[] = {"No space left on device", "Disk quota exceeded"};

bool holds_any(std::string_view text, std::span<const std::string_view> parts) {
  return std::ranges::any_of(
      parts, [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

/// Other kinds quote the statement, which may hold any of these words.
bool is_about_files(std::string_view message) {
  constexpr std::string_view kinds[] = {"IO Error", "Invalid Input Error", "Invalid Error",
                                        "Out of Memory Error", "INTERNAL Error"};
  return std::ranges::any_of(kinds,
                             [&](std::string_view kind) { return message.starts_with(kind); });
}

/// Internal errors carry pages of addresses.
std::string_view without_stack(std::string_view message) {
  message = message.substr(0, message.find("\nStack Trace"));
  message = message.substr(0, message.find("\nThis error signals an assertion failure"));
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) {
    message.remove_suffix(1);
  }
  return message;
}

/// The lines after the first are advice about DuckDB's settings, which our users do not see.
std::string_view first_line(std::string_view message) {
  return message.substr(0, message.find('\n'));
}

Error exhausted(std::string_view message, std::source_location where) {
  bool folder_is_full = message.find("max_temp_directory_size") != std::string_view::npos;
  bool no_folder = message.find("no temporary directory") != std::string_view::npos;
  std::string_view remedy =
      folder_is_full ? "give the spill folder more room, or the engine more memory"
      : no_folder    ? "set a spill folder, or give the engine more memory"
                     : "give the engine more memory, or a spill folder if it has none";
  return {
      ErrorCode::Exhausted,
      fmt::format("{}\n{}; or make the statement smaller: fewer rows at once, no list or string "
                  "aggregate over a key that has very many",
                  first_line(message), remedy),
      where};
}

}  // namespace

Error duckdb_failure(std::string_view message, std::source_location where) {
  message = without_stack(message);
  if (message.empty()) message = "DuckDB gave no reason";
  if (is_about_files(message) && holds_any(message, kDiskFull)) {
    return {ErrorCode::Exhausted, fmt::format("{}\nmake room on the disk", message), where};
  }
  if (is_about_files(message) && holds_any(message, kBrokenFile)) {
    return {ErrorCode::Corruption, std::string(message), where};
  }
  for (const Meaning& meaning : kMeanings) {
    if (!message.starts_with(meaning.prefix)) continue;
    if (meaning.code == ErrorCode::Exhausted) return exhausted(message, where);
    return {meaning.code, std::string(message), where};
  }
  return {ErrorCode::Invalid, std::string(message), where};
}

}  // namespace millrace::engine
