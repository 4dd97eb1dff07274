// What attention and its backward share: shapes, strides, masks.
#pragma once

#include <algorithm>

#include "attention_operands.h"
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

// Positions [b s], or none.
struct Positions {
  const void* data = nullptr;
  bool wide = false;  // i64, else i32
  int64_t batch = 0, row = 0;
  int64_t at(int64_t b, int64_t s, int64_t otherwise) const {
    if (!data) return otherwise;
    const int64_t place = b * batch + s * row;
    return wide ? static_cast<const int64_t*>(data)[place] : static_cast<const int32_t*>(data)[place];
  }
};

// Who sees whom is said of positions, as in ops/attention_scores.ts. Every mask bounds the keys of a query from below or from above, so
// that they are one run. A query that sees no key gives o = 0, logsumexp = −∞ (with a sink, the sink).
struct AttentionShape {
  int64_t b, s, t, g, r, d;  // h = g·r
  double scale;
  bool causal;
  int64_t window;  // keys at that distance and further are not seen; 0: all are
  int64_t queryStart, keyStart;
  Positions starts, ends;

  static constexpr int64_t everything = int64_t(1) << 40;
  int64_t reach() const { return window > 0 ? window : everything; }
  bool hasDocuments() const { return starts.data || ends.data; }

  // The keys that query i of sequence b sees …
  Run keysOf(int64_t sequence, int64_t query) const {
    const int64_t position = queryStart + query;
    const Run seen{std::max(position - reach() + 1, starts.at(sequence, query, 0)),
                   std::min(position + (causal ? 1 : reach()), ends.at(sequence, query, everything))};
    return seen.from(keyStart).within(0, t);
  }
  // … and the queries that see key j, documents aside.
  Run queriesOf(int64_t key) const {
    const int64_t position = keyStart + key;
    return Run{position - (causal ? 0 : reach() - 1), position + reach()}.from(queryStart).within(0, s);
  }
  // Of several: from the first to the last.
  Run keysOf(int64_t sequence, int64_t query, int64_t count) const {
    return joined(query, count, [=, this](int64_t i) { return keysOf(sequence, i); });
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
  // How far key j lies behind query i; negative: before it.
  int64_t distance(int64_t query, int64_t key) const { return keyStart + key - queryStart - query; }
  int64_t paddedD() const { return roundUp(d, gemm::tileColumns); }
  // Elements of a packed [k, n] operand.
  int64_t packedByD(int64_t n) const { return roundUp(n, gemm::tileColumns) * roundUp(d, 2); }
  int64_t packedBySequence(int64_t k) const { return roundUp(k, 2) * paddedD(); }
};

inline constexpr int64_t maxHeadDim = 256;

inline AttentionOperands attentionOperands(const KernelCall& call) {
  return AttentionOperands([&](const char* name) { return number(call, name, 0) != 0; });
}

inline Positions positions(const KernelCall& call, size_t i) {
  if (i == AttentionOperands::none) return {};
  const Operand &o = operand(call, i, 2), &q = call.operands[0];
  require(call, o.sizes[0] == q.sizes[0] && o.sizes[1] == q.sizes[1], "starts and ends are [b s]");
  require(call, o.dtype == DType::i32 || o.dtype == DType::i64, "starts and ends are i32 or i64");
  return {o.data, o.dtype == DType::i64, o.strides[0], o.strides[1]};
}

inline AttentionShape attentionShape(const KernelCall& call) {
  const Operand& q = operand(call, 0, 4);
  const Operand& k = operand(call, 1, 4);
  const Operand& v = operand(call, 2, 4);
  require(call, k.sizes == v.sizes && q.sizes[0] == k.sizes[0] && q.sizes[3] == k.sizes[3], "q[b s h d], k and v[b t g d]");
  require(call, k.sizes[2] > 0 && q.sizes[2] % k.sizes[2] == 0, "query heads are a multiple of key heads");
  require(call, q.sizes[3] % 2 == 0 && q.sizes[3] <= maxHeadDim, "d is even and at most 256");
  require(call, number(call, "scale") > 0, "scale > 0");
  const AttentionOperands at = attentionOperands(call);
  return {q.sizes[0], q.sizes[1], k.sizes[1], k.sizes[2], q.sizes[2] / k.sizes[2], q.sizes[3], number(call, "scale"),
          number(call, "causal", 0) != 0, int64_t(number(call, "window", 0)), int64_t(number(call, "query_start", 0)),
          int64_t(number(call, "key_start", 0)), positions(call, at.starts), positions(call, at.ends)};
}

// A row of n numbers for each head, [h] (n = 1) or [h n], or none.
template <class A>
struct PerHeadRow {
  A* data = nullptr;
  int64_t head = 0, n = 0;
  A* of(int64_t h) const { return data + h * head; }
};

template <class A>
PerHeadRow<A> perHeadRow(const KernelCall& call, size_t i, size_t rank) {
  if (i == AttentionOperands::none) return {};
  const Operand& o = operand(call, i, rank, rank == 2);
  require(call, o.dtype == dtypeOf<std::remove_const_t<A>>, "sinks, slopes and bias are f32 (f64 for f64)");
  require(call, o.sizes[0] == call.operands[0].sizes[2], "sinks and slopes are [h], bias is [h n]");
  return {dataOf<A>(o), o.strides[0], rank == 2 ? o.sizes[1] : 1};
}

// What is added to scores by how far the key lies behind the query: ops/attention_scores.ts.
template <class A>
struct Addends {
  PerHeadRow<const A> slopes, bias;

  bool any() const { return slopes.data || bias.data; }
  // Which of n biases a distance takes.
  static int64_t biasAt(int64_t distance, int64_t n) { return std::clamp<int64_t>(distance + n / 2, 0, n - 1); }
  // To scores that are still to be scaled, of distances `distance`, `distance + step`, …
  FLOTILLA_INLINE void addTo(A* scores, int64_t count, int64_t head, int64_t distance, int64_t step, A scale) const {
    const A inverse = 1 / scale;
    if (slopes.data) {
      const A slope = *slopes.of(head) * inverse;
      const int32_t first = int32_t(distance), by = int32_t(step), n = int32_t(count);
#pragma omp simd
      for (int32_t i = 0; i < n; i++) {
        const int32_t signedApart = first + i * by;
        scores[i] -= slope * A(signedApart < 0 ? -signedApart : signedApart);
      }
    }
    if (bias.data) {
      const A* row = bias.of(head);
      for (int64_t i = 0; i < count; i++, distance += step) scores[i] += row[biasAt(distance, bias.n)] * inverse;
    }
  }
};

template <class A>
Addends<A> addends(const KernelCall& call) {
  const AttentionOperands at = attentionOperands(call);
  const Addends<A> all{perHeadRow<const A>(call, at.slopes, 1), perHeadRow<const A>(call, at.bias, 2)};
  require(call, all.bias.n % 2 == 1 || !all.bias.data, "biases are of an odd number of distances");
  return all;
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
