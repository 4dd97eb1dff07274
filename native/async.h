// Promises for work on other threads.
#pragma once

#include <napi.h>

#include <atomic>
#include <optional>

#include "error.h"
#include "worker.h"

namespace flotilla {

// The error of TypeScript's that carries an EngineError: `code`, `op`, `at`, `rank` and `group`, null where they do not apply.
Napi::Error toJsError(Napi::Env env, const EngineError& error, int rank);

class AsyncJob;

// Brings finished jobs back to the thread of JavaScript, and keeps its event loop alive while any is under way.
class Completions {
 public:
  explicit Completions(Napi::Env env);
  ~Completions();

  void deliver(AsyncJob& job);

  // The environment is about to end: what is delivered from now on is dropped.
  void end() { ended_ = true; }

 private:
  friend class AsyncJob;
  static void settle(Napi::Env env, Napi::Function, Completions* completions, AsyncJob* job);
  using Function = Napi::TypedThreadSafeFunction<Completions, AsyncJob, &Completions::settle>;

  Function function_;
  int underWay_ = 0;
  std::atomic<bool> ended_{false};
};

// Work whose outcome settles a promise.
class AsyncJob : public Job {
 public:
  AsyncJob(Completions& completions, int rank) : completions_(completions), rank_(rank) {}

  // On the thread of JavaScript, before the job is submitted.
  Napi::Promise begin(Napi::Env env);

  void run() final;

 protected:
  virtual void work() = 0;                             // on the other thread
  virtual Napi::Value result(Napi::Env env) = 0;       // on the thread of JavaScript
  virtual void finished() { delete this; }             // on the thread of JavaScript, last

 private:
  friend class Completions;
  Completions& completions_;
  int rank_;
  std::optional<Napi::Promise::Deferred> promise_;
  std::optional<EngineError> error_;
};

}  // namespace flotilla
