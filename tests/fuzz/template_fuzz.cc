// SQL with template words.

#include "fuzz.h"
#include "sql/template.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  const std::string_view text = text_of(data, size);
  const Result<sql::Template> read = sql::Template::parse(std::string(text), "model.sql");
  if (!read.ok()) {
    INVARIANT(!read.error().message().empty(), "a refusal says why");
    return 0;
  }
  for (const sql::Template::Ref& ref : read->refs())
    INVARIANT(ref.place.line >= 1, "places count from 1");
  return 0;
}
