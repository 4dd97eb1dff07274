// Waiting for c10d's work: as a stream of a device waits, or on the host such that another thread can end the wait.
#pragma once

#include <torch/csrc/distributed/c10d/Work.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

namespace flotilla {

// What a transfer asks for before it calls its data arrived.
class Waits {
 public:
  virtual ~Waits() = default;

  // Throws the work's error, where it is known by then.
  virtual void wait(c10d::Work& work) = 0;
  // As wait, for sends and receives.
  virtual void waitPointToPoint(c10d::Work& work) = 0;
};

// The current stream goes on when the work is done; the host goes on at once. Never a timed wait: NCCL's blocks the host in naps, and
// aborts the communicator where the time is not enough.
class StreamWaits final : public Waits {
 public:
  void wait(c10d::Work& work) override { work.synchronize(); }
  void waitPointToPoint(c10d::Work& work) override { work.synchronize(); }
};

// The host waits, for a backend whose work is the host's (Gloo).
class Waiter final : public Waits {
 public:
  // Blocks until the work is complete. Throws its error, or EngineError 'aborted' within a second of abort(). Polls for the abort: that a poll ran
  // out says nothing of the work, which may be over by the time one looks.
  void wait(c10d::Work& work) override;

  // Gloo's sends and receives have no completion flag, and an expired wait would close the connection; but a blocked one can be woken.
  void waitPointToPoint(c10d::Work& work) override;

  // How long an abort can go unnoticed. To find none costs an exception, so this is far longer than a healthy wait.
  void pollEvery(std::chrono::milliseconds interval) { pollInterval_ = interval; }

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
  std::chrono::milliseconds pollInterval_{500};
};

}  // namespace flotilla
