// Blocking on c10d's work such that another thread can end the wait.
#pragma once

#include <torch/csrc/distributed/c10d/Work.hpp>

#include <atomic>
#include <mutex>
#include <string>

namespace flotilla {

class Waiter {
 public:
  // Blocks until the work is complete. Throws its error, or EngineError 'aborted' within a second of abort().
  void wait(c10d::Work& work);

  // As wait, for Gloo's sends and receives: those have no completion flag, and an expired wait would close the connection; but
  // a blocked one can be woken.
  void waitPointToPoint(c10d::Work& work);

  // Any thread: ends the wait in progress and fails every later one.
  void abort(const std::string& reason);

  bool aborted() const { return aborted_.load(std::memory_order_relaxed); }
  // Throws EngineError 'aborted' after abort().
  void check();

 private:
  std::mutex mutex_;
  std::atomic<bool> aborted_{false};
  std::string reason_;
  c10d::Work* blocking_ = nullptr;
};

}  // namespace flotilla
