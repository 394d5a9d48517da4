// The smallest pipeline in C++: three tasks in a row. `cmake --build --preset dev --target
// daily_training_pipeline`, then run the program: it asks the millrace beside it to run its Dag.
// clang-format off
#include <millrace/millrace.h>

int main(int argc, char** argv) {
  using namespace millrace;
  Dag dag{"daily_training_pipeline", {.schedule = "@daily", .start_date = "2023-01-01"}};
  auto extract = dag.task("extract", [](Context& context) -> Result<> { /* interval, params, tables, xcom, cancel */ return {}; });
  auto transform = dag.task("transform", [] { /* ... */ });
  auto load = dag.task("load", [] { /* ... */ });
  extract >> transform >> load;
  return dag.main(argc, argv);
}
