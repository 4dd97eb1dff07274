// Streams that are threads, for tests: each takes its launches in order and runs ahead or lags behind the others as chance wills, so that what
// the plan's events do not order really happens in another order. Some steps begin only once the host has handed over the last launch:
// a host that waited inside the step would wait for ever. Steps are not timed here: traces keep what they began with.
//
// Streams of the kind `threaded:SEED` in a test build.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

#include "../streams.h"
#include "../waiter.h"

namespace flotilla {

class ThreadedStreams final : public Streams {
 public:
  ThreadedStreams(uint64_t seed, Waiter& waiter) : waiter_(waiter), random_(seed) {}
  ~ThreadedStreams() override;

  void reserve(int streams, size_t events, size_t launches) override;
  void begin(std::vector<LaunchTimes>* times) override;
  void launch(int stream, size_t index, StreamTask& task) override;
  void record(size_t event, int stream) override;
  void wait(int stream, size_t event) override;
  void finish() override;
  double waitSeconds() const override { return waitSeconds_; }

 private:
  using Item = std::function<void(std::unique_lock<std::mutex>&)>;

  struct Stream {
    std::deque<Item> items;
    bool busy = false;
    std::mt19937_64 random;
    double starved = 1;  // how much longer than others it is held
    std::thread thread;
  };

  void push(int stream, Item item);
  void serve(Stream& stream);
  void hold(Stream& stream, std::unique_lock<std::mutex>& lock);
  bool idle() const;

  Waiter& waiter_;
  StreamWaits waits_;
  std::mt19937_64 random_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Stream> streams_;
  std::vector<size_t> asked_, happened_;  // by event: how often it was recorded by the host, and by its stream
  std::exception_ptr failure_;
  bool open_ = true;  // whether streams may begin before the host has finished
  bool stopping_ = false;
  double waitSeconds_ = 0;
};

}  // namespace flotilla
