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

// A run of places: [begin, end).
struct Run {
  int64_t begin, end;
  bool empty() const { return end <= begin; }
  bool has(int64_t i) const { return i >= begin && i < end; }
  // The run from the first to the last of both.
  Run with(const Run& other) const {
    if (empty()) return other;
    return other.empty() ? *this : Run{std::min(begin, other.begin), std::max(end, other.end)};
  }
  Run within(int64_t from, int64_t to) const { return {std::clamp(begin, from, to), std::clamp(end, from, to)}; }
  // The same places, counted from `origin` on.
  Run from(int64_t origin) const { return {begin - origin, end - origin}; }
};

// Who sees whom is said of positions, as in ops/attention_scores.ts. Every mask bounds the keys of a query from below or from above, so
// that they are one run. A query that sees no key gives o = 0, logsumexp = −∞.
struct AttentionShape {
  int64_t b, s, t, g, r, d;  // h = g·r
  double scale;
  bool causal;
  int64_t window;  // keys at that distance and further are not seen; 0: all are
  int64_t queryStart, keyStart;

  static constexpr int64_t everything = int64_t(1) << 40;
  int64_t reach() const { return window > 0 ? window : everything; }

  // The keys that query i sees …
  Run keysOf(int64_t query) const {
    const int64_t position = queryStart + query;
    return Run{position - reach() + 1, position + (causal ? 1 : reach())}.from(keyStart).within(0, t);
  }
  // … and the queries that see key j.
  Run queriesOf(int64_t key) const {
    const int64_t position = keyStart + key;
    return Run{position - (causal ? 0 : reach() - 1), position + reach()}.from(queryStart).within(0, s);
  }
  // Of several: from the first to the last.
  Run keysOf(int64_t query, int64_t count) const {
    return joined(query, count, [this](int64_t i) { return keysOf(i); });
  }
  Run queriesOf(int64_t key, int64_t count) const {
    return joined(key, count, [this](int64_t j) { return queriesOf(j); });
  }
  template <class F>
  static Run joined(int64_t first, int64_t count, F&& runOf) {
    Run all{0, 0};
    for (int64_t i = first; i < first + count; i++) all = all.with(runOf(i));
    return all;
  }
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
  return {q.sizes[0], q.sizes[1], k.sizes[1], k.sizes[2], q.sizes[2] / k.sizes[2], q.sizes[3], number(call, "scale"),
          number(call, "causal", 0) != 0, int64_t(number(call, "window", 0)), int64_t(number(call, "query_start", 0)),
          int64_t(number(call, "key_start", 0))};
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
