#pragma once

// The parts of the launcher's messages as JSON, both ways. Errors of all: Invalid.

#include <map>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "orchestration/executor.h"

namespace millrace::launcher {

/// Names and values of an environment, words of a command and paths are bytes: where they are no
/// UTF-8 they go as the list of them. None holds a NUL.
Json from_bytes(const std::string& bytes);
Result<std::string> to_bytes(const Json& json);

Json from_duration(Duration duration);  // in seconds
Result<Duration> duration_at(const Json& json, std::string_view name);

Result<int> int_at(const Json& json, std::string_view name);

Json from_attempt(const orchestration::AttemptId& attempt);
/// Its names become parts of a path, that of its log, and can be such.
Result<orchestration::AttemptId> attempt_in(const Json& message);

/// A list of pairs, since a name need not be UTF-8 either.
Json from_environment(const std::map<std::string, std::string>& environment);
Result<std::map<std::string, std::string>> environment_in(const Json& message);

Json from_end(const orchestration::AttemptEnd& end);
Result<orchestration::AttemptEnd> end_in(const Json& message);

}  // namespace millrace::launcher
