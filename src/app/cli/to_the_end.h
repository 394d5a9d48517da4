#pragma once

#include <functional>

#include "cli/verbs.h"

namespace millrace::cli {

/// Does what a verb does, in a process that may have little: too few files, threads or too little
/// memory end in a sentence, and so do an exception and an answer that standard output did not take.
/// Returns the exit code.
int to_the_end(const Common& common, const std::function<int()>& verb);

}  // namespace millrace::cli
