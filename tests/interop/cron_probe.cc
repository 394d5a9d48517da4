// Answers questions about cron expressions, one JSON document a line, for cron_interop.py:
//   {"cron": "0 2 * * *", "timezone": "UTC", "from": "2013-01-01T00:00:00Z", "count": 2,
//    "direction": "next"}  ->  {"runs": [...]} or {"error": "..."}

#include <iostream>

#include "base/json.h"
#include "orchestration/cron.h"

namespace millrace::orchestration {
namespace {

Result<Json> answer(const std::string& line) {
  const Json question = TRY(Json::parse(line));
  const TimeZone zone = TRY(TimeZone::load(TRY(question.string_at("timezone"))));
  const Cron cron = TRY(Cron::parse(TRY(question.string_at("cron")), zone));
  Instant at = TRY(parse_instant(TRY(question.string_at("from"))));
  const bool forward = TRY(question.string_at("direction")) == "next";
  Json runs = Json::array();
  for (std::int64_t i = TRY(question.integer_at("count")); i > 0; --i) {
    at = forward ? cron.next_after(at) : cron.previous_at_or_before(at);
    runs.push(format_instant(at));
    if (!forward) at -= Duration(1);
  }
  return Json::object({{"runs", runs}});
}

}  // namespace
}  // namespace millrace::orchestration

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto answered = millrace::orchestration::answer(line);
    const millrace::Json out =
        answered.ok() ? *answered : millrace::Json::object({{"error", answered.error().message()}});
    std::cout << out.dump() << '\n';
  }
}
