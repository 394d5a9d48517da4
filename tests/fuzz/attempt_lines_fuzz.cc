// What an attempt sends to its supervisor. First byte: into how large pieces the stream is cut.

#include <algorithm>
#include <vector>

#include "execution/attempt_protocol.h"
#include "fuzz.h"

namespace {

using namespace millrace;

std::vector<std::string> lines_of(std::string_view stream, std::size_t piece) {
  execution::LineReader reader;
  std::vector<std::string> lines;
  while (!stream.empty()) {
    if (!reader.feed(stream.substr(0, piece)).ok()) break;
    stream.remove_prefix(std::min(piece, stream.size()));
    while (const std::optional<std::string> line = reader.next()) lines.push_back(*line);
  }
  lines.emplace_back(reader.rest());
  return lines;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream = text_of(data + 1, size - 1);
  const std::vector<std::string> lines = lines_of(stream, 1U + data[0]);
  INVARIANT(lines == lines_of(stream, size), "lines do not depend on how the stream was cut");
  for (const std::string& line : lines) {
    const Result<Json> message = execution::from_line(line);
    if (!message.ok()) continue;
    const Result<std::string> written = execution::to_line(*message);
    if (!written.ok()) continue;
    const Result<Json> again = execution::from_line(written->substr(0, written->size() - 1));
    INVARIANT(again.ok() && again->dump() == message->dump(), "a message survives the wire");
  }
  return 0;
}
