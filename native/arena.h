// The one memory of a rank: everything a program touches lies here, at addresses that the compiler chose.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernel.h"
#include "program_text.h"

namespace flotilla {

at::ScalarType scalarType(DType dtype);

// CPU: an anonymous mapping, page-aligned and zero, whose pages become resident when first touched. Other devices: one torch
// allocation. The size is fixed. Throws EngineError 'out-of-memory'.
class Arena {
 public:
  Arena(at::Device device, int64_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  at::Device device() const { return device_; }
  int64_t bytes() const { return bytes_; }
  char* data() const { return data_; }

  // The address of [offset, offset + bytes). Throws std::invalid_argument where that is outside the arena.
  char* address(int64_t offset, int64_t bytes) const;

  // A view's address, checked: inside the arena, aligned to its elements, strides not negative.
  Operand operand(const View& view) const;

  // A view as a tensor over the arena's memory.
  at::Tensor tensor(const View& view) const;

 private:
  at::Device device_;
  int64_t bytes_;
  char* data_ = nullptr;
  at::Tensor storage_;  // holds the memory where it is not a mapping of our own
};

}  // namespace flotilla
