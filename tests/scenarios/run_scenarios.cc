// run_scenarios FILE...: runs each scenario, prints one line for it and the totals.

#include <cstdio>

#include "base/file.h"
#include "scenario.h"

int main(int argc, char** argv) {
  int failed = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string path = argv[i];
    const auto text = millrace::read_file(path, 1U << 20U);
    const millrace::Status status =
        text.ok() ? millrace::orchestration::Scenario::run(*text) : millrace::Status(text.error());
    if (status.ok()) {
      std::printf("passed  %s\n", path.c_str());
    } else {
      ++failed;
      std::printf("FAILED  %s: %s\n", path.c_str(), status.error().message().c_str());
    }
  }
  std::printf("%d passed, %d failed\n", argc - 1 - failed, failed);
  return failed == 0 && argc > 1 ? 0 : 1;
}
