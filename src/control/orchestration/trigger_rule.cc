#include "orchestration/trigger_rule.h"

#include <array>
#include <string>

#include <fmt/core.h>

#include "base/suggest.h"

namespace millrace::orchestration {

std::string_view to_string(TriggerRule rule) {
  switch (rule) {
    case TriggerRule::AllSuccess:
      return "all_success";
  }
  return "all_success";
}

Result<TriggerRule> trigger_rule_from(std::string_view name) {
  if (name == "all_success") return TriggerRule::AllSuccess;
  static const std::array<std::string, 13> known = {
      "all_success",
      "all_failed",
      "all_done",
      "all_done_min_one_success",
      "all_skipped",
      "one_failed",
      "one_success",
      "one_done",
      "none_failed",
      "none_failed_min_one_success",
      "none_skipped",
      "always",
      "all_done_setup_success",
  };
  for (const std::string& rule : known)
    if (rule == name)
      return Error(
          ErrorCode::Unsupported,
          fmt::format("the trigger rule {} is not supported yet; only all_success is", name));
  return Error(ErrorCode::Invalid,
               fmt::format("'{}' is no trigger rule{}", name, suggestion(name, known)));
}

}  // namespace millrace::orchestration
