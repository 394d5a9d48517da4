#include "cli/to_the_end.h"

#include <csignal>
#include <cstdio>
#include <new>
#include <system_error>

#include <fmt/core.h>

#include "cli/connection.h"

namespace millrace::cli {
namespace {

Error too_little(const std::exception& error) {
  return Error(ErrorCode::Exhausted,
               fmt::format("{}; this process may use too few files, threads or too little "
                           "memory: see `ulimit -a`",
                           error.what()));
}

/// What libraries throw when the machine gives no more is told apart from a mistake of ours.
int act(const Common& common, const std::function<int()>& verb) {
  try {
    return verb();
  } catch (const std::bad_alloc& error) {
    return fail(common, too_little(error));
  } catch (const std::system_error& error) {
    return fail(common, too_little(error));
  } catch (const std::exception& error) {
    return fail(common, Error(ErrorCode::Internal, fmt::format("unexpected: {}", error.what())));
  }
}

}  // namespace

int to_the_end(const Common& common, const std::function<int()>& verb) {
  // A file that grows beyond `ulimit -f` is an error of its writer, not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  const int code = act(common, verb);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  Common to_standard_error = common;
  to_standard_error.json = false;
  fail(to_standard_error,
       Error(ErrorCode::Exhausted,
             "the answer could not be written whole to standard output; make room where it goes, "
             "or write it elsewhere"));
  return code == kSuccess ? kUnavailable : code;
}

}  // namespace millrace::cli
