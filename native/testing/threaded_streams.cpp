#include "threaded_streams.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <chrono>

#include "../error.h"

namespace flotilla {

namespace {

constexpr std::chrono::milliseconds patience{50};

}  // namespace

ThreadedStreams::~ThreadedStreams() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (Stream& stream : streams_) stream.thread.join();
}

void ThreadedStreams::reserve(int streams, size_t events, size_t) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (asked_.size() < events) asked_.resize(events, 0), happened_.resize(events, 0);
  while (static_cast<int>(streams_.size()) < streams) {
    Stream& stream = streams_.emplace_back();
    stream.random.seed(random_());
    stream.thread = std::thread([this, &stream] { serve(stream); });
  }
}

void ThreadedStreams::begin(std::vector<LaunchTimes>*) {
  const std::lock_guard<std::mutex> lock(mutex_);
  failure_ = nullptr;
  open_ = random_() % 2 == 0;
  const size_t starved = random_() % (streams_.size() + 1);  // none, or one
  for (size_t i = 0; i < streams_.size(); i++) streams_[i].starved = i == starved ? 20 : 1;
}

void ThreadedStreams::launch(int stream, size_t, StreamTask& task) {
  waiter_.check();
  push(stream, [this, stream, &task](std::unique_lock<std::mutex>& lock) {
    hold(streams_[stream], lock);
    lock.unlock();
    std::exception_ptr failure;
    try {
      task.start();
      if (stream != compute) task.finish(waits_);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !failure_) failure_ = failure;
  });
}

void ThreadedStreams::record(size_t event, int stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const size_t version = ++asked_[event];
  streams_[stream].items.push_back([this, event, version](std::unique_lock<std::mutex>&) { happened_[event] = version; });
  changed_.notify_all();
}

void ThreadedStreams::wait(int stream, size_t event) {
  size_t version;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    version = asked_[event];
  }
  push(stream, [this, event, version](std::unique_lock<std::mutex>& lock) {
    changed_.wait(lock, [&] { return happened_[event] >= version || failure_ || stopping_; });
  });
}

void ThreadedStreams::push(int stream, Item item) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    streams_[stream].items.push_back(std::move(item));
  }
  changed_.notify_all();
}

void ThreadedStreams::serve(Stream& stream) {
  at::set_num_threads(1);
  const c10::InferenceMode inference;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || (!stream.items.empty() && open_); });
    if (stopping_) return;
    const Item item = std::move(stream.items.front());
    stream.items.pop_front();
    stream.busy = true;
    if (!failure_) item(lock);  // after a failure what is left of the step is dropped
    stream.busy = false;
    changed_.notify_all();
  }
}

// Some launches are held for a moment, a few for long.
void ThreadedStreams::hold(Stream& stream, std::unique_lock<std::mutex>& lock) {
  const uint64_t draw = stream.random() % 16;
  if (draw < 8) return;
  const auto held = std::chrono::microseconds(static_cast<int64_t>((draw < 15 ? 20 : 400) * stream.starved));
  const auto until = std::chrono::steady_clock::now() + held;
  changed_.wait_until(lock, until, [&] { return stopping_; });
}

bool ThreadedStreams::idle() const {
  for (const Stream& stream : streams_)
    if (stream.busy || !stream.items.empty()) return false;
  return true;
}

void ThreadedStreams::finish() {
  const auto since = std::chrono::steady_clock::now();
  std::unique_lock<std::mutex> lock(mutex_);
  open_ = true;
  changed_.notify_all();
  while (!changed_.wait_for(lock, patience, [&] { return idle(); })) {
    if (waiter_.aborted() && !failure_) {
      failure_ = std::make_exception_ptr(EngineError("aborted", "the step was aborted"));
      changed_.notify_all();
    }
  }
  waitSeconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
  if (failure_) std::rethrow_exception(failure_);
}

namespace {

const StreamsRegistration threaded("threaded", [](const std::string& seed, Waiter& waiter) -> std::unique_ptr<Streams> {
  return std::make_unique<ThreadedStreams>(std::stoull(seed), waiter);
});

}  // namespace

}  // namespace flotilla
