// Rendezvous: the store where ranks meet and the process groups they talk in (c10d; Gloo, and NCCL for CUDA where the build has it).
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gloo::transport {
class Device;
}

namespace flotilla {

struct RendezvousOptions {
  std::string address;
  int port = 0;
  int rank = 0;
  int worldSize = 1;
  bool hostStore = false;                          // this rank serves the store
  int listenFd = -1;                               // on this listening socket, where the launcher has opened one; -1 for none
  std::string generation;                          // keeps the keys of one start of the job apart from the next one's
  std::chrono::milliseconds timeout{120'000};      // for every rank to come
  std::chrono::milliseconds operationTimeout{0};   // for one collective or receive; 0: the backend's own
  bool storeOnly = false;                          // connects to the store and waits for nobody: no collectives
  std::string backend;                             // of those registered; empty for the device's own
};

// A process group and this rank's place in it. Collectives made of sends and receives take their tags from `nextTag`, which
// agrees between members because they launch in the same order.
struct Group {
  int id = -1;
  int rank = 0;  // index among the members
  int size = 1;
  c10::intrusive_ptr<c10d::Backend> backend;
  int nextTag = 0;
};

class Groups {
 public:
  // Meets the other ranks; blocks until all have come. Throws EngineError 'port-taken' or 'rendezvous-failed'.
  Groups(const RendezvousOptions& options, at::Device device);

  // The group of these ranks of the world, made on first use; every member must ask for its groups in the same order.
  Group& group(int id, const std::vector<int>& ranks);
  // Where a message between this rank and another goes: a group, and the other's index in it. Where a communicator runs one operation after
  // another (NCCL), each pair has one for each direction, else stages of a pipeline wait for each other in a circle; every member asks
  // for its channels in the order of (from, to).
  struct Channel {
    Group& group;
    int peer;
  };
  Channel channel(int from, int to);
  c10d::Store& store() { return *store_; }
  // A second connection to the store, for a thread of its own. Throws EngineError 'rendezvous-failed'.
  c10::intrusive_ptr<c10d::Store> cloneStore();
  int port() const { return port_; }
  const RendezvousOptions& options() const { return options_; }

 private:
  Group& known(int id, const std::string& name, const std::vector<int>& ranks);
  std::unique_ptr<Group> create(int id, const std::string& name, const std::vector<int>& ranks);
  c10::intrusive_ptr<c10d::Backend> makeBackend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size);
  c10::intrusive_ptr<c10d::Backend> makeGloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size);

  RendezvousOptions options_;
  at::Device device_;
  int port_ = 0;
  c10::intrusive_ptr<c10d::Store> store_;
  std::shared_ptr<gloo::transport::Device> glooDevice_;  // one event loop for every group
  std::unique_ptr<Group> world_;
  std::map<std::string, std::unique_ptr<Group>> groups_;
};

// The backends of this build: "gloo", and "nccl" where CUDA and NCCL's headers were there to build with.
std::vector<std::string> backends();

// Adds a backend under a name, before main: a test build has others.
using BackendFactory = c10::intrusive_ptr<c10d::Backend> (*)(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, std::chrono::milliseconds timeout);
struct BackendRegistration {
  BackendRegistration(const char* name, BackendFactory factory);
};

}  // namespace flotilla
