#pragma once

// How an implementation of Database calls the work that it was given.

#include "metadata/database.h"

namespace millrace::metadata {

using Work = std::function<Status(Transaction&)>;

inline constexpr const char* kNotAgain = "a transaction's work does not call the Database again";

/// Whether this thread runs a `work` now: a call of the Database from inside it would wait for itself.
bool inside_work();

/// What `work` returns; Internal where it throws.
Status run_guarded(const Work& work, Transaction& transaction);

}  // namespace millrace::metadata
