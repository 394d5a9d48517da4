#pragma once

// The server's half of every task: what an attempt is told, and what its success means.

#include <memory>
#include <optional>
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

  /// What content keys remember of a run, or of one task of it, is forgotten: it runs again.
  static Status forget(metadata::Transaction& transaction, const orchestration::RunKey& run,
                       const std::optional<orchestration::TaskId>& task = std::nullopt);

 private:
  Hooks(const ServerSide& server, std::string server_socket)
      : server_(server), server_socket_(std::move(server_socket)) {}
  Result<std::optional<PreviousResult>> previous(const orchestration::TaskInstance& instance) const;

  ServerSide server_;
  std::string server_socket_;
};

}  // namespace millrace::tasks
