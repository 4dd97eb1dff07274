#include "engine.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "error.h"

namespace flotilla {

namespace {

at::Device parseDevice(const std::string& name) {
  try {
    const at::Device device(name);
    if (device.is_cpu()) return device;
    if (!device.is_cuda()) throw EngineError("device-unknown", "the engine computes on cpu and cuda");
    if (!c10::impl::hasDeviceGuardImpl(device.type())) throw EngineError("device-unknown", "torch " FLOTILLA_TORCH_VERSION " is built without it");
    const int devices = c10::impl::VirtualGuardImpl(device.type()).deviceCount();
    if (device.index() >= devices || devices == 0) throw EngineError("device-unknown", "torch sees " + std::to_string(devices) + " of these devices");
    return device.has_index() ? device : at::Device(device.type(), 0);
  } catch (const std::exception& error) {
    throw EngineError("device-unknown", "device '" + name + "': " + describeException(error));
  }
}

}  // namespace

Engine::Engine(const std::string& deviceName, const std::string& streamsKind, int threadCount, int64_t arenaBytes, int rankOfWorld)
    : device(parseDevice(deviceName)),
      threads(threadCount),
      rank(rankOfWorld),
      arena(std::make_shared<Arena>(device, arenaBytes)),
      waiter(std::make_unique<Waiter>()),
      streams(makeStreams(streamsKind, device, *waiter)) {
  executor = std::make_unique<Worker>("flotilla-exec", [this] {
    at::set_num_threads(threads);  // OpenMP's count belongs to the thread that asks
    // For the thread's whole life: no kernel here is ever differentiated.
    static thread_local const c10::InferenceMode inference;
    try {
      streams->attach();
    } catch (...) {
      unready_ = std::current_exception();
    }
  });
}

void Engine::requireReady() const {
  if (unready_) std::rethrow_exception(unready_);
}

Engine::~Engine() {
  if (!waiter->aborted()) return;
  new std::shared_ptr<Arena>(arena);
  groups.release();
  if (executor->waitIdle(2)) return;
  executor.release();
  streams.release();
  waiter.release();
}

void Engine::abort(const std::string& reason) { waiter->abort(reason); }

}  // namespace flotilla
