// Gloo whose timed waits run out at the worst moment: one that finds its work under way waits for the work's end, good or bad, and then says
// that its time is over. Whoever infers from that what became of the work is wrong here every time.
//
// The backend `edge` of a test build.
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include <stdexcept>

#include "../groups.h"

namespace flotilla {

namespace {

class EdgeWork final : public c10d::Work {
 public:
  explicit EdgeWork(c10::intrusive_ptr<c10d::Work> work) : work_(std::move(work)) {}

  bool isCompleted() override { return work_->isCompleted(); }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return work_->getFuture(); }

  bool wait(std::chrono::milliseconds timeout) override {
    if (timeout == kNoTimeout || work_->isCompleted()) return work_->wait(kNoTimeout);
    try {
      work_->wait(kNoTimeout);
    } catch (...) {
      // The work tells it to whoever asks next.
    }
    throw std::runtime_error("Operation timed out!");  // Work::wait's words
  }

 private:
  c10::intrusive_ptr<c10d::Work> work_;
};

class EdgeBackend final : public c10d::Backend {
 public:
  EdgeBackend(c10::intrusive_ptr<c10d::Backend> gloo, int rank, int size) : Backend(rank, size), gloo_(std::move(gloo)) {}

  const std::string getBackendName() const override { return "edge"; }

  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& options) override {
    return c10::make_intrusive<EdgeWork>(gloo_->allreduce(tensors, options));
  }
  c10::intrusive_ptr<c10d::Work> broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& options) override {
    return c10::make_intrusive<EdgeWork>(gloo_->broadcast(tensors, options));
  }
  c10::intrusive_ptr<c10d::Work> send(std::vector<at::Tensor>& tensors, int peer, int tag) override { return gloo_->send(tensors, peer, tag); }
  c10::intrusive_ptr<c10d::Work> recv(std::vector<at::Tensor>& tensors, int peer, int tag) override { return gloo_->recv(tensors, peer, tag); }

 private:
  c10::intrusive_ptr<c10d::Backend> gloo_;
};

const BackendRegistration edge("edge", [](const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                          std::chrono::milliseconds timeout) -> c10::intrusive_ptr<c10d::Backend> {
  auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::seconds(30));  // for all to come
  options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, size, options);
  gloo->setTimeout(timeout);
  return c10::make_intrusive<EdgeBackend>(std::move(gloo), rank, size);
});

}  // namespace

}  // namespace flotilla
