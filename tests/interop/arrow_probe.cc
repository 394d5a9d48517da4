// Reads an Arrow stream from standard input and writes it again to standard output, or its rows as
// JSON lines, for arrow_interop.py.
//   arrow_probe echo | json

#include <cstdio>
#include <string_view>

#include "columnar/arrow_ipc.h"

namespace millrace::columnar {
namespace {

Result<std::size_t> read_input(std::span<char> into) {
  return std::fread(into.data(), 1, into.size(), stdin);
}

void write_output(std::string_view bytes) {
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
}

void write_rows(const RecordBatch& batch) {
  for (std::size_t row = 0; row < batch.row_count(); ++row) {
    Json line = Json::object();
    for (std::size_t i = 0; i < batch.schema().size(); ++i)
      line.set(batch.schema()[i].name, batch.column(i).to_json(row));
    write_output(line.dump() + "\n");
  }
}

Status answer(bool echo) {
  const auto reader = TRY(read_ipc_stream(read_input));
  if (echo) write_output(ipc_schema_message(reader->schema()));
  while (const std::optional<RecordBatch> batch = TRY(reader->next())) {
    if (echo)
      write_output(ipc_batch_message(*batch));
    else
      write_rows(*batch);
  }
  if (echo) write_output(kIpcEnd);
  return {};
}

}  // namespace
}  // namespace millrace::columnar

int main(int argc, char** argv) {
  const auto done = millrace::columnar::answer(argc > 1 && std::string_view(argv[1]) == "echo");
  if (done.ok()) return 0;
  std::fprintf(stderr, "%s: %s\n", std::string(to_string(done.error().code())).c_str(),
               done.error().message().c_str());
  return 1;
}
