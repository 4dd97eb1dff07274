// A tensor over memory that something else owns.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

namespace flotilla {

// The device is said, never asked for: torch would ask CUDA whose the address is, which fails for views of nothing.
inline at::Tensor tensorAt(void* data, at::IntArrayRef sizes, at::IntArrayRef strides, at::ScalarType dtype, at::Device device) {
  return at::for_blob(data, sizes).strides(strides).target_device(device).options(at::TensorOptions().dtype(dtype).device(device)).make_tensor();
}
inline at::Tensor tensorAt(void* data, int64_t elements, at::ScalarType dtype, at::Device device) {
  return tensorAt(data, {elements}, {1}, dtype, device);
}

}  // namespace flotilla
