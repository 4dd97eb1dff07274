#include "worker.h"

#include <pthread.h>

#include <chrono>

namespace flotilla {

Worker::Worker(const char* name, std::function<void()> prepare) : prepare_(std::move(prepare)), thread_([this] { loop(); }) {
  pthread_setname_np(thread_.native_handle(), name);
}

Worker::~Worker() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Worker::submit(Job& job) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    job.next_ = nullptr;
    (last_ ? last_->next_ : first_) = &job;
    last_ = &job;
  }
  changed_.notify_all();
}

bool Worker::waitIdle(double seconds) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return !first_ && !busy_; });
}

void Worker::loop() {
  prepare_();
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return first_ || stopping_; });
    if (!first_) return;
    Job* job = first_;
    first_ = job->next_;
    if (!first_) last_ = nullptr;
    busy_ = true;
    lock.unlock();
    job->run();
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace flotilla
