#pragma once

// The tables of runs (orchestration_*), step by step. A published step never changes.

#include <span>

#include "metadata/database.h"

namespace millrace::orchestration {

std::span<const metadata::Migration> run_migrations();

}  // namespace millrace::orchestration
