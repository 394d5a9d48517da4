// A pipeline that uses all of the C++ door; pipeline_program_test.py runs it. The parameter `do`
// says what its last task does.
#include <millrace/millrace.h>
#include <poll.h>

namespace {

using namespace millrace;

Result<> count_numbers(Context& context) {
  Batch numbers;
  auto& n = numbers.add<std::int64_t>("n");
  for (std::int64_t i = 0; i < 10; ++i) n.push(i);
  TRY(context.write("numbers", numbers));
  Batches answer = TRY(context.query("SELECT max(n) AS last FROM numbers"));
  const std::optional<Batch> batch = TRY(answer.next());
  if (TRY(batch->column<std::int64_t>("last"))->at(0) != 9)
    return Error(ErrorCode::Invalid, "the numbers came back as others");
  const Json rows = TRY(context.rows("SELECT sum(n)::BIGINT AS total FROM numbers"));
  context.progress(0.5, "half of it");
  context.log("until " + format_instant(context.data_interval_end()));
  context.set_result(rows.as_array().at(0));
  return {};
}

Result<> second_try(Context& context) {
  if (context.attempt() == 1) return Error(ErrorCode::Unavailable, "not yet");
  if (context.result_of("numbers").integer_or("total", 0) != 45)
    return Error(ErrorCode::Invalid, "the numbers gave another result");
  return {};
}

Result<> last(Context& context) {
  const std::string what = context.params().string_or("do", "");
  if (what == "throw") throw std::runtime_error("thrown on purpose");
  if (what == "ask wrongly") return context.execute("SELECT no_such_column");
  while (what == "wait" && !context.cancelled()) ::poll(nullptr, 0, 10);
  if (what == "wait") context.log("told to stop");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Dag dag{"context", {.params = Json::object({{"do", "nothing"}})}};
  const TaskRef numbers = dag.task("numbers", count_numbers);
  const TaskRef letters = dag.task("letters", [] {});
  const TaskRef both =
      dag.task("both", second_try, {.retries = 1, .retry_delay = std::chrono::milliseconds(10)});
  Tasks{numbers, letters} >> both >>
      dag.task("last", last, {.execution_timeout = std::chrono::seconds(2)});
  return dag.main(argc, argv);
}
