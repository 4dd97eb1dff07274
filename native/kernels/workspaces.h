// Bytes of workspace. Written from src/kernels/workspaces.ts by `UPDATE=1 npx vitest run src/kernels/workspaces`: change it there.
#pragma once

#include <algorithm>
#include <cstdint>

namespace flotilla::workspace {

inline int64_t min(int64_t x, int64_t y) { return std::min(x, y); }
inline int64_t max(int64_t x, int64_t y) { return std::max(x, y); }
inline int64_t per(int64_t x, int64_t y) { return (x + y - 1) / y; }
inline int64_t up(int64_t x, int64_t y) { return per(x, y) * y; }
inline int64_t down(int64_t x, int64_t y) { return x / y * y; }
inline int64_t several(int64_t x) { return x > 1 ? x : 0; }

// Columns of a chunk of a product, which are packed together: at most 2^21 elements.
inline int64_t matmul_columns(int64_t n, int64_t k) {
  return min(up(n, 64), max(64, down(2097152 / max(1, up(k, 2)), 64)));
}

// Rows of a chunk: at most 2^20 elements.
inline int64_t matmul_rows(int64_t m, int64_t k) {
  return min(up(m, 6), max(192, down(1048576 / max(1, up(k, 2)), 192)));
}

// Panels of both operands.
inline int64_t matmul(int64_t m, int64_t n, int64_t k, int64_t size) {
  return (matmul_columns(n, k) + matmul_rows(m, k)) * up(k, 2) * size + 64;
}

// Keys and values, packed.
inline int64_t attention(int64_t b, int64_t g, int64_t t, int64_t d, int64_t size) {
  return b * g * (up(t, 64) * up(d, 2) + up(t, 2) * up(d, 64)) * size;
}

// Queries and do packed both ways, keys packed; in the accumulator's type dq, row sums of do·o, and each head's own gradients of the sink and of n biases.
inline int64_t attention_backward(int64_t b, int64_t g, int64_t r, int64_t s, int64_t t, int64_t d, int64_t n, int64_t size, int64_t acc) {
  return b * g * r * 2 * (up(s, 64) * up(d, 2) + up(s, 2) * up(d, 64)) * size + b * g * up(t, 2) * up(d, 64) * size + b * g * r * (up(s, 64) * (up(d, 64) + 1) + up(n + 1, 16)) * acc;
}

// Into how many chunks of rows a sum over t is cut: by t alone, whatever the number of threads.
inline int64_t row_chunks(int64_t t) {
  return min(64, max(1, per(t, 32)));
}

// Gradients of weight and bias, for each chunk of rows.
inline int64_t layer_norm_backward(int64_t t, int64_t c, int64_t acc) {
  return row_chunks(t) * 2 * c * acc;
}

// Gradients of the weight, for each chunk of rows.
inline int64_t rms_norm_backward(int64_t t, int64_t c, int64_t acc) {
  return row_chunks(t) * c * acc;
}

// Into how many chunks a sum over r is cut.
inline int64_t reduction_chunks(int64_t r) {
  return min(32, max(1, per(r, 1024)));
}

// Sums of each chunk, where there are several.
inline int64_t reduction(int64_t a, int64_t r, int64_t c) {
  return a * several(reduction_chunks(r)) * c * 8;
}

// Sums of 64 chunks, with room to spare.
inline int64_t sum_squares() {
  return 1024;
}

// Three sums of each of 64 chunks.
inline int64_t square_bins() {
  return 64 * 3 * 8;
}

// The table in f32, where it is bf16.
inline int64_t scatter_rounded(int64_t elements) {
  return elements * 4;
}

// The table in f64.
inline int64_t scatter_any(int64_t elements) {
  return elements * 8;
}

// The blocks of the group's other members, before they are added.
inline int64_t reduce_scatter(int64_t members, int64_t elements, int64_t size) {
  return (members - 1) * elements * size;
}

}  // namespace flotilla::workspace
