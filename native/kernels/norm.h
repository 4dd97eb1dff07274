// What layer_norm and rms_norm share: operands of several float types at once, and gradients of weights, which are sums over rows.
#pragma once

#include "rows.h"
#include "workspaces.h"

namespace flotilla {

// Calls f(Tag<X>{}, Tag<W>{}, …) with the float types of several operands; those after the first stand beside it.
template <size_t N, class F>
std::unique_ptr<Kernel> withFloats(const KernelCall& call, const DType (&dtypes)[N], F&& f) {
  return withFloat(call, dtypes[0], [&]<class X>(Tag<X> x) { return withMoreFloats<X>(call, dtypes, f, x); });
}
template <class X, size_t N, class F, class... Known>
std::unique_ptr<Kernel> withMoreFloats(const KernelCall& call, const DType (&dtypes)[N], F& f, Known... known) {
  if constexpr (sizeof...(Known) == N) return f(known...);
  else
    return withFloatBeside<X>(call, dtypes[sizeof...(Known)],
                              [&](auto next) { return withMoreFloats<X>(call, dtypes, f, known..., next); });
}

// Sums over t are made in at most 64 chunks of rows, which depend on t alone.
struct RowChunks {
  int64_t count, rows;
  explicit RowChunks(int64_t t) : count(workspace::row_chunks(t)), rows(ceilDiv(t, count)) {}
};

// The gradient of a weight [c]: in the accumulator's type, or bf16 where that is f32.
template <class A>
struct WeightGradient {
  void* data;
  DType dtype;
  int64_t c;

  WeightGradient(const KernelCall& call, size_t i, int64_t columns) : data(call.operands[i].data), dtype(call.operands[i].dtype), c(columns) {
    require(call, operand(call, i, 1).sizes[0] == c, "gradients of weights have the length of a row");
    require(call, dtype == dtypeOf<A> || (dtype == DType::bf16 && dtypeOf<A> == DType::f32), "gradients of weights are f32 or bf16 (f64 for f64)");
  }

  // Element j is the sum over chunks, in order, of partial[chunk · stride + j].
  void sum(const A* partial, int64_t chunks, int64_t stride) const {
    for (int64_t j = 0; j < c; j++) {
      A sum = 0;
      for (int64_t i = 0; i < chunks; i++) sum += partial[i * stride + j];
      if (dtype == DType::bf16) static_cast<bf16*>(data)[j] = narrow<bf16>(sum);
      else static_cast<A*>(data)[j] = sum;
    }
  }
};

}  // namespace flotilla
