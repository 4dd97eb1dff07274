#include "engine.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include "error.h"

namespace flotilla {

namespace {

at::Device parseDevice(const std::string& device) {
  try {
    return at::Device(device);
  } catch (const std::exception& error) {
    throw EngineError("device-unknown", "device '" + device + "': " + describeException(error));
  }
}

}  // namespace

Engine::Engine(const std::string& deviceName, int threadCount, int64_t arenaBytes, int rankOfWorld)
    : device(parseDevice(deviceName)),
      threads(threadCount),
      rank(rankOfWorld),
      arena(std::make_shared<Arena>(device, arenaBytes)),
      waiter(std::make_unique<Waiter>()) {
  executor = std::make_unique<Worker>("flotilla-exec", [count = threads] {
    at::set_num_threads(count);  // OpenMP's count belongs to the thread that asks
    // For the thread's whole life: no kernel here is ever differentiated.
    static thread_local const c10::InferenceMode inference;
  });
}

Engine::~Engine() {
  if (!waiter->aborted()) return;
  new std::shared_ptr<Arena>(arena);
  groups.release();
  if (executor->waitIdle(2)) return;
  executor.release();
  waiter.release();
}

void Engine::abort(const std::string& reason) { waiter->abort(reason); }

}  // namespace flotilla
