// Streams of a device that runs by itself (CUDA), through c10's generic interface: one for compute, one for each lane, each an ordinary stream
// of c10's pool. A lane's stream is current while its communication begins, so the backend orders itself after that stream, and the
// stream after the backend: nothing else waits. Needs no header of CUDA's.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

#include "streams.h"
#include "waiter.h"

namespace flotilla {

class DeviceStreams final : public Streams {
 public:
  DeviceStreams(c10::Device device, Waiter& waiter);

  void attach() override;
  void reserve(int streams, size_t events, size_t launches) override;
  void begin(std::vector<LaunchTimes>* times) override;
  void launch(int stream, size_t index, StreamTask& task) override;
  void record(size_t event, int stream) override;
  void wait(int stream, size_t event) override;
  void beginLaunch(size_t index, int stream) override;
  void endLaunch(size_t index, int stream) override;
  void finish() override;
  double waitSeconds() const override { return waitSeconds_; }
  const std::vector<double>* libraryBytes() const override { return &libraryBytes_; }

 private:
  // Between them a launch took place on its stream.
  struct Span {
    c10::Event start, end;
    bool transfer = false;
  };

  void readTimes();

  c10::Device device_;
  Waiter& waiter_;
  c10::impl::VirtualGuardImpl guard_;
  StreamWaits waits_;
  std::vector<c10::Stream> streams_;
  std::vector<c10::Event> events_;
  c10::Event lanesEnd_, end_;
  int used_ = 1;                        // streams that the step has launched on, from compute on
  std::optional<c10::Event> begin_;     // of a traced step
  std::vector<Span> spans_;             // by launch, once a step has been traced
  std::vector<LaunchTimes>* times_ = nullptr;
  std::vector<double> libraryBytes_;
  int64_t heldBefore_ = 0;
  double waitSeconds_ = 0;
};

}  // namespace flotilla
