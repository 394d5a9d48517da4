#pragma once

// The server's half of every task: what an attempt is told, and what its success means.

#include <memory>
#include <string>

#include "orchestration/task_hooks.h"
#include "tasks/task_kind.h"

namespace millrace::tasks {

class Hooks final : public orchestration::TaskHooks {
 public:
  /// Makes this room's tables. What `server` refers to outlives the hooks. `server_socket` is told
  /// to the attempts.
  static Result<std::unique_ptr<Hooks>> open(const ServerSide& server, std::string server_socket);

  Result<orchestration::Preparation> prepare(const orchestration::TaskInstance& instance) override;
  Status complete(metadata::Transaction& transaction, const orchestration::TaskInstance& instance,
                  const Json& result) override;

 private:
  Hooks(const ServerSide& server, std::string server_socket)
      : server_(server), server_socket_(std::move(server_socket)) {}
  Result<std::optional<PreviousResult>> previous(const orchestration::TaskInstance& instance) const;

  ServerSide server_;
  std::string server_socket_;
};

}  // namespace millrace::tasks
