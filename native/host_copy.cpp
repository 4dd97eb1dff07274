#include "host_copy.h"

#include <ATen/Functions.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstring>

#include "tensor_at.h"

namespace flotilla {

namespace {

// Pinned memory is scarce, and torch keeps what it was asked for once.
constexpr int64_t stagingBytes = int64_t{1} << 24;

at::Tensor staging(int64_t bytes) { return at::empty({bytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(true)); }

at::Tensor bytesAt(const char* address, int64_t bytes, c10::Device device) {
  return tensorAt(const_cast<char*>(address), bytes, at::kByte, device);
}

}  // namespace

void copyToDevice(char* inside, const char* outside, int64_t bytes, c10::Device device) {
  if (device.is_cpu()) {
    if (bytes > 0) std::memcpy(inside, outside, bytes);
    return;
  }
  for (int64_t from = 0; from < bytes; from += stagingBytes) {
    const int64_t part = std::min(stagingBytes, bytes - from);
    // Torch takes a pinned block back into use once the copies that read it are done.
    const at::Tensor pinned = staging(part);
    std::memcpy(pinned.data_ptr(), outside + from, part);
    bytesAt(inside + from, part, device).copy_(pinned, /*non_blocking=*/true);
  }
}

void copyFromDevice(char* outside, const char* inside, int64_t bytes, c10::Device device) {
  if (device.is_cpu()) {
    if (bytes > 0) std::memcpy(outside, inside, bytes);
    return;
  }
  const c10::impl::VirtualGuardImpl guard(device.type());
  for (int64_t from = 0; from < bytes; from += stagingBytes) {
    const int64_t part = std::min(stagingBytes, bytes - from);
    const at::Tensor pinned = staging(part);
    pinned.copy_(bytesAt(inside + from, part, device), /*non_blocking=*/true);
    guard.synchronizeStream(guard.getStream(device));
    std::memcpy(outside + from, pinned.data_ptr(), part);
  }
}

}  // namespace flotilla
