#pragma once

// Whether a task may run, given how the tasks before it ended.

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace millrace::orchestration {

enum class TriggerRule : std::uint8_t {
  AllSuccess,  // every task before it succeeded
};

std::string_view to_string(TriggerRule rule);
/// Errors: Unsupported for Airflow's other rules, by name; Invalid with a suggestion for a word
/// that is no rule.
Result<TriggerRule> trigger_rule_from(std::string_view name);

/// How many of a task's direct upstream tasks stand where.
struct UpstreamCounts {
  std::uint32_t total = 0;
  std::uint32_t success = 0;
  std::uint32_t skipped = 0;
  std::uint32_t failed = 0;  // failed or upstream_failed
};

enum class Decision : std::uint8_t { Wait, Run, Skip, UpstreamFailed };

/// Airflow's answer, given at the first moment at which it is certain.
constexpr Decision decide(TriggerRule rule, const UpstreamCounts& upstream) {
  switch (rule) {
    case TriggerRule::AllSuccess:
      if (upstream.failed > 0) return Decision::UpstreamFailed;
      if (upstream.skipped > 0) return Decision::Skip;
      return upstream.success == upstream.total ? Decision::Run : Decision::Wait;
  }
  return Decision::Wait;
}

}  // namespace millrace::orchestration
