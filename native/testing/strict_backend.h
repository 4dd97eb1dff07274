// A c10d backend with NCCL's rules, for tests: members are engines of one process, and what NCCL would let hang or spoil is an error.
//
//   order       what a member launches on a communicator runs one after another, as on the communicator's stream; its k-th collective is every
//               member's: kind, elements, element type, reduction, root
//   messages    the k-th send of a pair meets its k-th receive, of as many bytes; neither ends before the other has begun. What is
//               launched between startCoalescing and endCoalescing runs at once
//   waits       without a time, as a stream waits: the calling thread stands for the stream. A timed wait that runs out aborts the
//               communicator, for every member and for good (ProcessGroupNCCL::WorkNCCL::wait)
//
// The backend `strict` of a test build.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace flotilla {

class Communicator;
struct Meeting;

class StrictBackend final : public c10d::Backend {
 public:
  StrictBackend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size);
  ~StrictBackend() override;

  const std::string getBackendName() const override { return "strict"; }
  bool supportsCoalescing() const override { return true; }
  void startCoalescing() override;
  c10::intrusive_ptr<c10d::Work> endCoalescing() override;

  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& options) override;
  c10::intrusive_ptr<c10d::Work> broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& options) override;
  c10::intrusive_ptr<c10d::Work> send(std::vector<at::Tensor>& tensors, int peer, int tag) override;
  c10::intrusive_ptr<c10d::Work> recv(std::vector<at::Tensor>& tensors, int peer, int tag) override;

 private:
  c10::intrusive_ptr<c10d::Work> message(const at::Tensor& tensor, int from, int to);
  c10::intrusive_ptr<c10d::Work> begin(std::vector<std::function<std::shared_ptr<Meeting>()>> parts);

  std::shared_ptr<Communicator> communicator_;
};

}  // namespace flotilla
