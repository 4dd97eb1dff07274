// The CPU's streams: the executor's own thread computes, and communication goes on by itself in c10d's threads once it has begun. To wait
// for an event of a lane is to finish, here and now, what the lane has begun up to it.
#pragma once

#include <chrono>

#include "streams.h"
#include "waiter.h"

namespace flotilla {

class InlineStreams final : public Streams {
 public:
  explicit InlineStreams(Waiter& waiter) : waiter_(waiter) {}

  void reserve(int streams, size_t events, size_t launches) override;
  void begin(std::vector<LaunchTimes>* times) override;
  void launch(int stream, size_t index, StreamTask& task) override;
  void record(size_t event, int stream) override;
  void wait(int stream, size_t event) override;
  void beginLaunch(size_t index, int stream) override;
  void endLaunch(size_t index, int stream) override;
  void finish() override;
  double waitSeconds() const override { return waitSeconds_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Begun {
    size_t index;
    StreamTask* task;
  };
  struct Lane {
    std::vector<Begun> begun;
    size_t finished = 0;  // how many of them, from the first
  };
  struct Mark {
    int lane;
    size_t count;  // how much of the lane had begun
  };

  void finishThrough(int lane, size_t count);
  double now() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  Waiter& waiter_;
  std::vector<Lane> lanes_;  // by stream; compute's stays empty
  std::vector<Mark> marks_;  // by event
  std::vector<LaunchTimes>* times_ = nullptr;
  Clock::time_point begin_;
  double waitSeconds_ = 0;
};

}  // namespace flotilla
