#include "groups.h"

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#ifdef FLOTILLA_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "error.h"

namespace flotilla {

namespace {

bool isLoopback(const std::string& address) { return address == "localhost" || address == "::1" || address.rfind("127.", 0) == 0; }

// The interface that Gloo talks through: the one GLOO_SOCKET_IFNAME names, loopback for a job on this machine alone, else the
// one this machine's name resolves to.
std::shared_ptr<gloo::transport::Device> createDevice(const std::string& address) {
  const char* interfaces = std::getenv("GLOO_SOCKET_IFNAME");
  if (interfaces && *interfaces) {
    const std::string first = std::string(interfaces).substr(0, std::string(interfaces).find(','));
    return c10d::ProcessGroupGloo::createDeviceForInterface(first);
  }
  if (isLoopback(address)) return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  return c10d::ProcessGroupGloo::createDefaultDevice();
}

// Says of whatever fails on the way to the store that it did: a clone is a connection too.
template <typename F>
auto connecting(const F& open) {
  try {
    return open();
  } catch (const std::exception& error) {
    const std::string message = describeException(error);
    const bool taken = message.find("EADDRINUSE") != std::string::npos || message.find("ddress already in use") != std::string::npos;
    throw EngineError(taken ? "port-taken" : "rendezvous-failed", message);
  }
}

c10::intrusive_ptr<c10d::Store> openStore(const RendezvousOptions& options, int* port) {
  c10d::TCPStoreOptions store;
  store.port = static_cast<uint16_t>(options.port);
  store.isServer = options.hostStore;
  if (options.hostStore && options.listenFd >= 0) store.masterListenFd = options.listenFd;
  store.numWorkers = options.worldSize;
  store.waitWorkers = false;  // the first process group waits for everyone, by name
  store.timeout = options.timeout;
  // The libuv server would run on the uv_ symbols that Node itself exports, which are another version's.
  store.useLibUV = false;
  return connecting([&] {
    auto opened = c10::make_intrusive<c10d::TCPStore>(options.address, store);
    *port = opened->getPort();
    return opened;
  });
}

std::map<std::string, BackendFactory>& registeredBackends() {
  static std::map<std::string, BackendFactory> factories;
  return factories;
}

}  // namespace

BackendRegistration::BackendRegistration(const char* name, BackendFactory factory) { registeredBackends().emplace(name, factory); }

std::vector<std::string> backends() {
  std::vector<std::string> names = {"gloo"};
#ifdef FLOTILLA_NCCL
  names.push_back("nccl");
#endif
  return names;
}

Groups::Groups(const RendezvousOptions& options, at::Device device) : options_(options), device_(device) {
  store_ = c10::make_intrusive<c10d::PrefixStore>("flotilla/" + options.generation, openStore(options, &port_));
  if (options.storeOnly) return;
  std::vector<int> everyone(options.worldSize);
  std::iota(everyone.begin(), everyone.end(), 0);
  world_ = create(-1, "world", everyone);
}

Group& Groups::group(int id, const std::vector<int>& ranks) {
  std::string name = "group/" + std::to_string(id) + "/";
  for (const int rank : ranks) name += std::to_string(rank) + ",";
  return known(id, name, ranks);
}

Groups::Channel Groups::channel(int from, int to) {
  if (!world_) throw EngineError("program-invalid", "this rank is connected to the store alone");
  const bool sends = options_.rank == from;
  const bool ordered = world_->backend && world_->backend->supportsCoalescing();
  if (!ordered || from == to) return {*world_, sends ? to : from};
  return {known(-1, "message/" + std::to_string(from) + "/" + std::to_string(to), {from, to}), sends ? 1 : 0};
}

Group& Groups::known(int id, const std::string& name, const std::vector<int>& ranks) {
  const auto found = groups_.find(name);
  if (found != groups_.end()) return *found->second;
  return *groups_.emplace(name, create(id, name, ranks)).first->second;
}

c10::intrusive_ptr<c10d::Store> Groups::cloneStore() {
  return connecting([&] { return store_->clone(); });
}

std::unique_ptr<Group> Groups::create(int id, const std::string& name, const std::vector<int>& ranks) {
  auto group = std::make_unique<Group>();
  group->id = id;
  group->size = static_cast<int>(ranks.size());
  const auto self = std::find(ranks.begin(), ranks.end(), options_.rank);
  if (self == ranks.end()) throw EngineError("program-invalid", "rank " + std::to_string(options_.rank) + " is not in group " + name, "", "", id);
  group->rank = static_cast<int>(self - ranks.begin());
  if (group->size == 1) return group;
  try {
    group->backend = makeBackend(c10::make_intrusive<c10d::PrefixStore>(name, store_), group->rank, group->size);
  } catch (const EngineError&) {
    throw;
  } catch (const std::exception& error) {
    throw EngineError("rendezvous-failed", name + ": " + describeException(error), "", "", id);
  }
  return group;
}

c10::intrusive_ptr<c10d::Backend> Groups::makeBackend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size) {
  if (!options_.backend.empty()) {
    const auto found = registeredBackends().find(options_.backend);
    if (found == registeredBackends().end()) throw EngineError("backend-missing", "this build has no backend '" + options_.backend + "'");
    return found->second(store, rank, size, options_.operationTimeout);
  }
  if (device_.is_cpu()) return makeGloo(store, rank, size);
#ifdef FLOTILLA_NCCL
  auto options = c10d::ProcessGroupNCCL::Options::create();
  if (options_.operationTimeout.count() > 0) options->timeout = options_.operationTimeout;
  auto nccl = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
  // Its communicator is made now: at the first collective it would be made inside a step. What NCCL connects when it is first used
  // (peers of messages, and all peers unless NCCL_RUNTIME_CONNECT=0) still makes the host wait in a program's first step.
  nccl->eagerConnectSingleDevice(device_);
  return nccl;
#else
  throw EngineError("backend-missing", "ranks on " + device_.str() + " talk through NCCL, which this build lacks: nccl.h or cuda_runtime.h was not there to build with");
#endif
}

c10::intrusive_ptr<c10d::Backend> Groups::makeGloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size) {
  // The timeout given to the constructor also bounds the wait for the other members' addresses.
  auto options = c10d::ProcessGroupGloo::Options::create(options_.timeout);
  if (!glooDevice_) glooDevice_ = createDevice(options_.address);
  options->devices.push_back(glooDevice_);
  options->threads = 1;  // collectives of one group run in launch order
  auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
  if (options_.operationTimeout.count() > 0) gloo->setTimeout(options_.operationTimeout);
  return gloo;
}

}  // namespace flotilla
