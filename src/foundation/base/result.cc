#include "base/result.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace millrace {
namespace {

constexpr std::array<std::string_view, 13> kNames = {
    "invalid",     "not_found",   "already_exists", "conflict",  "denied",
    "unavailable", "timeout",     "exhausted",      "cancelled", "data_quality",
    "corruption",  "unsupported", "internal",
};

}  // namespace

std::string_view to_string(ErrorCode code) {
  return kNames[static_cast<std::size_t>(code)];
}

std::optional<ErrorCode> error_code_from(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<ErrorCode>(i);
  return std::nullopt;
}

void result_misread(const Error* failure) {
  if (failure != nullptr)
    std::fprintf(stderr, "invariant broken: the value of a failed Result was taken: %s\n",
                 failure->message().c_str());
  else
    std::fprintf(stderr, "invariant broken: the error of a Result that did not fail was taken\n");
  std::abort();
}

void invariant_failed(const char* condition, std::string_view why, std::source_location where) {
  std::fprintf(stderr, "%s:%u: invariant broken: %s (%.*s)\n", where.file_name(),
               static_cast<unsigned>(where.line()), condition, static_cast<int>(why.size()),
               why.data());
  std::abort();
}

}  // namespace millrace
