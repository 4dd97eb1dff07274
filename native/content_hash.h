// Hashes of tensors' content that no layout changes: src/engine/content_hash.ts says what they are.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

namespace flotilla {

// A box of a tensor, whose elements lie one behind the other in memory; places and strides are those in the tensor, in elements.
struct HashedBox {
  int64_t hash;   // which of the hashes it adds to
  const char* data;
  int64_t elementBytes;
  int64_t start;
  std::vector<int64_t> sizes;  // outside a run
  std::vector<int64_t> strides;
  int64_t run;  // elements that lie one behind the other in the tensor too
};

// Adds two words for each hash to `sums`. Out of another device's memory elements are copied first.
void addContent(const std::vector<HashedBox>& boxes, c10::Device device, uint32_t* sums);

}  // namespace flotilla
