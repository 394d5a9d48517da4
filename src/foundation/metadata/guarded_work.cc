#include "metadata/guarded_work.h"

namespace millrace::metadata {
namespace {

thread_local bool is_inside_work = false;

}  // namespace

bool inside_work() {
  return is_inside_work;
}

Status run_guarded(const Work& work, Transaction& transaction) {
  is_inside_work = true;
  struct Leave {
    ~Leave() { is_inside_work = false; }
  } const leave;
  try {
    return work(transaction);
  } catch (const std::exception& thrown) {
    return Error(ErrorCode::Internal,
                 std::string("exception in a database transaction: ") + thrown.what());
  } catch (...) {
    return Error(ErrorCode::Internal, "exception in a database transaction");
  }
}

}  // namespace millrace::metadata
