#pragma once

// A session of the engine as programs see it.

#include <memory>
#include <string>
#include <vector>

#include "millrace/table.h"

namespace millrace::door {

/// The millrace that this program asks: $MILLRACE, the one beside it, or the one on the path.
std::string find_millrace();

class Session final : public Tables {
 public:
  /// `options`: of the verb `engine --stdio`. The engine starts with the first call.
  Session(std::string millrace, std::vector<std::string> options);
  ~Session() override;

  /// Starts the engine now. Errors: those of EngineClient::start.
  Status start();

  Result<> execute(std::string_view sql) override;
  Result<Batches> query(std::string_view sql) override;
  Result<Json> rows(std::string_view sql) override;
  using Tables::write;
  Result<std::int64_t> write(std::string_view name, Batches rows) override;

 private:
  struct State;
  std::shared_ptr<State> state_;  // an answer that is being read keeps it
};

}  // namespace millrace::door
