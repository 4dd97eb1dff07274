// Where a step's first NaN or infinity comes from: kernels that look at what they read before they run, and at what they wrote after.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel.h"

namespace flotilla {

// The first one seen: none while `launch` is negative.
struct NonFinite {
  int64_t launch = -1;
  int64_t operand = -1;
  bool nan = false;
  // One for each element of the operand, row-major: not zero where it is NaN or infinite.
  std::vector<uint8_t> elements;
};

// `kernel`, watched: the first `reads` operands are looked at before it runs, the others afterwards, until one launch of those that
// share `found` has noted something. Minus infinity is what masks are made of, and no fault. ATen does the looking, on any device.
std::unique_ptr<Kernel> watched(std::unique_ptr<Kernel> kernel, std::vector<at::Tensor> operands, size_t reads, int64_t launch, NonFinite& found);

}  // namespace flotilla
