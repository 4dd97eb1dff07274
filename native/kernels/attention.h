// What attention and its backward share: shapes, strides, masks.
#pragma once

#include <algorithm>

#include "gemm.h"
#include "support.h"
#include "workspaces.h"

namespace flotilla {

// A [b, sequence, heads, d] operand.
template <class T>
struct HeadView {
  T* data;
  int64_t batch, row, head;
  T* at(int64_t b, int64_t s, int64_t h) const { return data + b * batch + s * row + h * head; }
};

template <class T>
HeadView<T> headView(const KernelCall& call, size_t i) {
  const Operand& o = operand(call, i, 4);
  require(call, o.dtype == dtypeOf<T>, "q, k, v, o and their gradients have one type");
  return {dataOf<T>(o), o.strides[0], o.strides[1], o.strides[2]};
}

struct AttentionShape {
  int64_t b, s, t, g, r, d;  // h = g·r
  double scale;
  bool causal;
  int64_t diagonal;  // query i sees keys j ≤ i + diagonal

  // Keys [0, visible(i)) are what query i sees.
  int64_t visible(int64_t query) const { return causal ? std::clamp<int64_t>(query + diagonal + 1, 0, t) : t; }
  // Queries [firstSeeing(j), s) see key j.
  int64_t firstSeeing(int64_t key) const { return causal ? std::clamp<int64_t>(key - diagonal, 0, s) : 0; }
  int64_t paddedD() const { return roundUp(d, gemm::tileColumns); }
  // Elements of a packed [k, n] operand.
  int64_t packedByD(int64_t n) const { return roundUp(n, gemm::tileColumns) * roundUp(d, 2); }
  int64_t packedBySequence(int64_t k) const { return roundUp(k, 2) * paddedD(); }
};

inline constexpr int64_t maxHeadDim = 256;

inline AttentionShape attentionShape(const KernelCall& call) {
  const Operand& q = operand(call, 0, 4);
  const Operand& k = operand(call, 1, 4);
  const Operand& v = operand(call, 2, 4);
  require(call, k.sizes == v.sizes && q.sizes[0] == k.sizes[0] && q.sizes[3] == k.sizes[3], "q[b s h d], k and v[b t g d]");
  require(call, k.sizes[2] > 0 && q.sizes[2] % k.sizes[2] == 0, "query heads are a multiple of key heads");
  require(call, q.sizes[3] % 2 == 0 && q.sizes[3] <= maxHeadDim, "d is even and at most 256");
  const int64_t diagonal = int64_t(number(call, "query_start", 0)) - int64_t(number(call, "key_start", 0));
  return {q.sizes[0], q.sizes[1], k.sizes[1], k.sizes[2], q.sizes[2] / k.sizes[2], q.sizes[3], number(call, "scale"),
          number(call, "causal", 0) != 0, diagonal};
}

// Packs X[sequence, d] so that it multiplies from the right as Xᵀ (k = d) …
template <class T>
void packTransposed(const T* x, int64_t rowStride, int64_t rows, int64_t d, gemm::Unit<T>* out) {
  const int64_t units = gemm::unitsOf<T>(d);
  for (int64_t j = 0; j < rows; j += gemm::tileColumns, out += units * gemm::tileColumns)
    gemm::packPanel<T>(x + j * rowStride, 1, rowStride, d, std::min(gemm::tileColumns, rows - j), 0, units, out);
}
// … and as X (k = sequence).
template <class T>
void packPlain(const T* x, int64_t rowStride, int64_t rows, int64_t d, gemm::Unit<T>* out) {
  const int64_t units = gemm::unitsOf<T>(rows);
  for (int64_t j = 0; j < d; j += gemm::tileColumns, out += units * gemm::tileColumns)
    gemm::packPanel<T>(x + j, rowStride, 1, rows, std::min(gemm::tileColumns, d - j), 0, units, out);
}

}  // namespace flotilla
