// A thread with a queue of jobs. Each rank's executor is one: never libuv's workers, since each of those would bring its own team of
// OpenMP threads, and a blocked one starves the file system.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace flotilla {

// Queued jobs are linked through themselves: queueing allocates nothing. A job may be submitted again, or deleted, from its own run().
class Job {
 public:
  virtual ~Job() = default;
  virtual void run() = 0;  // does not throw

 private:
  friend class Worker;
  Job* next_ = nullptr;
};

class Worker {
 public:
  // `prepare` runs first on the thread.
  Worker(const char* name, std::function<void()> prepare);
  // Lets queued jobs finish and joins the thread.
  ~Worker();

  void submit(Job& job);

  // Waits until nothing is queued or running; false when that takes longer.
  bool waitIdle(double seconds);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  Job* first_ = nullptr;
  Job* last_ = nullptr;
  bool busy_ = false;
  bool stopping_ = false;
  std::function<void()> prepare_;
  std::thread thread_;
};

}  // namespace flotilla
