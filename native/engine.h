// One rank: its arena, its executor thread, and the groups it talks in once it has met the others.
#pragma once

#include <memory>
#include <string>

#include "arena.h"
#include "groups.h"
#include "waiter.h"
#include "worker.h"

namespace flotilla {

class Engine {
 public:
  // `threads` is how many OpenMP threads kernels use on the executor thread.
  Engine(const std::string& device, int threads, int64_t arenaBytes, int rank);
  ~Engine();

  // After abort() threads of libtorch may still write into the arena and wait for peers that never answer, and none of them can
  // be ended: then the arena and the groups stay until the process exits.
  void abort(const std::string& reason);

  at::Device device;
  int threads;
  int rank;
  std::shared_ptr<Arena> arena;
  std::unique_ptr<Groups> groups;
  std::unique_ptr<Waiter> waiter;
  std::unique_ptr<Worker> executor;
};

}  // namespace flotilla
