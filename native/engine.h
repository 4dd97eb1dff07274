// One rank: its arena, its executor thread, and the groups it talks in once it has met the others.
#pragma once

#include <exception>
#include <memory>
#include <string>

#include "arena.h"
#include "groups.h"
#include "streams.h"
#include "waiter.h"
#include "worker.h"

namespace flotilla {

class Engine {
 public:
  // `threads` is how many OpenMP threads kernels use on the executor thread; `streams` as makeStreams() takes it.
  Engine(const std::string& device, const std::string& streams, int threads, int64_t arenaBytes, int rank);
  ~Engine();

  // After abort() threads of libtorch may still write into the arena and wait for peers that never answer, and none of them can
  // be ended: then the arena and the groups stay until the process exits.
  void abort(const std::string& reason);

  // On the executor thread, before it uses the device. Throws what preparing the device threw.
  void requireReady() const;

  at::Device device;
  int threads;
  int rank;
  std::shared_ptr<Arena> arena;
  std::unique_ptr<Groups> groups;
  std::unique_ptr<Waiter> waiter;
  std::unique_ptr<Streams> streams;
  std::unique_ptr<Worker> executor;

 private:
  std::exception_ptr unready_;  // why the streams could not be prepared
};

}  // namespace flotilla
