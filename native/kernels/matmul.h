#pragma once

#include <cstdint>

namespace flotilla {

// Workspace of matmul and its variants; README.md states the same formula for the kernel table.
int64_t matmulScratchBytes(int64_t m, int64_t n, int64_t k, int64_t elementBytes);

}  // namespace flotilla
