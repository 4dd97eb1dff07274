#include "waiter.h"

#include "error.h"

namespace flotilla {

void Waiter::wait(c10d::Work& work) {
  for (;;) {
    check();
    try {
      work.wait(pollInterval_);
      return;
    } catch (...) {
      if (!work.isCompleted()) continue;  // only our patience ended
    }
    // It failed, or our patience and then the work ended, well or badly. To wait for what is over tells which, at once.
    work.wait(kNoTimeout);
    return;
  }
}

void Waiter::waitPointToPoint(c10d::Work& work) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!aborted_) blocking_ = &work;
  }
  check();
  const auto release = [&] {
    const std::lock_guard<std::mutex> lock(mutex_);
    blocking_ = nullptr;
  };
  try {
    work.wait(kNoTimeout);
  } catch (...) {
    release();
    check();
    throw;
  }
  release();
  check();
}

void Waiter::abort(const std::string& reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (aborted_) return;
  reason_ = reason;
  aborted_ = true;
  // Gloo remembers the wish, so it does not matter whether the wait has begun.
  if (blocking_) blocking_->abort();
}

void Waiter::check() {
  if (!aborted()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  throw EngineError("aborted", reason_);
}

}  // namespace flotilla
