// A commit of a Delta log, as somebody else may have written it.

#include "fuzz.h"
#include "lake/actions.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  const Result<lake::Actions> actions = lake::parse_actions(text_of(data, size));
  if (!actions.ok()) return 0;
  const std::string written = lake::to_json_lines(*actions);
  const Result<lake::Actions> again = lake::parse_actions(written);
  INVARIANT(again.ok(), "what we write, we read");
  INVARIANT(lake::to_json_lines(*again) == written, "and it is the same");
  for (const lake::AddFile& file : actions->adds) static_cast<void>(file.file.key());
  return 0;
}
