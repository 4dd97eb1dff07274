#include "device_streams.h"

#include <ATen/Functions.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <mutex>
#include <thread>

#include "error.h"

namespace flotilla {

namespace {

constexpr c10::EventFlag ordering = c10::EventFlag::PYTORCH_DEFAULT;  // keeps no time
constexpr c10::EventFlag timing = c10::EventFlag::BACKEND_DEFAULT;

// How long the end of a step can go unnoticed: short steps are polled without sleep.
constexpr std::chrono::microseconds spin{200}, nap{20};

// Throws EngineError 'device-failed': what the device met it tells at whatever is asked of it next.
bool reached(const c10::Event& event) {
  try {
    return event.query();
  } catch (const std::exception& error) {
    throw EngineError("device-failed", describeException(error));
  }
}

int64_t current(const c10::CachingAllocator::StatArray& stats) { return stats[0].current; }
int64_t peak(const c10::CachingAllocator::StatArray& stats) { return stats[0].peak; }

}  // namespace

DeviceStreams::DeviceStreams(c10::Device device, Waiter& waiter)
    : device_(device),
      waiter_(waiter),
      guard_(device.type()),
      lanesEnd_(device.type(), ordering),
      end_(device.type(), ordering) {
  streams_.push_back(guard_.getStreamFromGlobalPool(device_, false));
}

void DeviceStreams::attach() {
  guard_.setDevice(device_);
  guard_.exchangeStream(streams_[compute]);
  // The library makes its handle for products, and the workspace of that handle, at the first one on a stream.
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = at::zeros({1, 16, 16}, at::TensorOptions().dtype(dtype).device(device_));
    at::bmm(x, x);
  }
  guard_.synchronizeStream(streams_[compute]);
}

void DeviceStreams::reserve(int streams, size_t events, size_t launches) {
  while (static_cast<int>(streams_.size()) < streams) streams_.push_back(guard_.getStreamFromGlobalPool(device_, true));
  while (events_.size() < events) events_.emplace_back(device_.type(), ordering);
  libraryBytes_.resize(std::max(libraryBytes_.size(), launches));
}

void DeviceStreams::begin(std::vector<LaunchTimes>* times) {
  times_ = times;
  used_ = 1;
  waitSeconds_ = 0;
  if (!times) return;
  while (spans_.size() < times->size()) spans_.push_back({{device_.type(), timing}, {device_.type(), timing}});
  std::fill(libraryBytes_.begin(), libraryBytes_.end(), 0);
  if (!begin_) begin_.emplace(device_.type(), timing);
  begin_->record(streams_[compute]);
}

void DeviceStreams::launch(int stream, size_t, StreamTask& task) {
  waiter_.check();
  if (stream == compute) {
    // Some kernels set switches of torch's for the whole process while they are launched (kernels/library_attention.cpp).
    static std::mutex launching;
    const std::lock_guard<std::mutex> lock(launching);
    return task.start();
  }
  used_ = std::max(used_, stream + 1);
  guard_.exchangeStream(streams_[stream]);
  try {
    task.start();
    task.finish(waits_);
  } catch (...) {
    guard_.exchangeStream(streams_[compute]);
    throw;
  }
  guard_.exchangeStream(streams_[compute]);
}

void DeviceStreams::record(size_t event, int stream) { events_[event].record(streams_[stream]); }

void DeviceStreams::wait(int stream, size_t event) { events_[event].block(streams_[stream]); }

void DeviceStreams::beginLaunch(size_t index, int stream) {
  spans_[index].start.record(streams_[stream]);
  spans_[index].transfer = stream != compute;
  c10::DeviceAllocator& allocator = *c10::getDeviceAllocator(device_.type());
  allocator.resetPeakStats(device_.index());
  heldBefore_ = current(allocator.getDeviceStats(device_.index()).allocated_bytes);
}

void DeviceStreams::endLaunch(size_t index, int stream) {
  spans_[index].end.record(streams_[stream]);
  const auto stats = c10::getDeviceAllocator(device_.type())->getDeviceStats(device_.index());
  libraryBytes_[index] = static_cast<double>(peak(stats.allocated_bytes) - heldBefore_);
}

void DeviceStreams::finish() {
  for (int stream = 1; stream < used_; stream++) {
    lanesEnd_.record(streams_[stream]);
    lanesEnd_.block(streams_[compute]);
  }
  end_.record(streams_[compute]);
  // Asked for again and again rather than waited for, so that an abort is noticed.
  const auto since = std::chrono::steady_clock::now();
  while (!reached(end_)) {
    waiter_.check();
    if (std::chrono::steady_clock::now() - since > spin) std::this_thread::sleep_for(nap);
    else std::this_thread::yield();
  }
  waitSeconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
  if (times_) readTimes();
}

void DeviceStreams::readTimes() {
  const auto since = [&](const c10::Event& event) { return begin_->elapsedTime(event) * 1e-3; };
  for (size_t index = 0; index < times_->size(); index++) {
    const Span& span = spans_[index];
    LaunchTimes& times = (*times_)[index];
    times = {since(span.start), since(span.end), std::numeric_limits<double>::quiet_NaN()};
    if (span.transfer) times.completed = times.end;
  }
}

}  // namespace flotilla
