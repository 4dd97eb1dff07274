// softmax_cross_entropy:           loss_t = logsumexp_t − logits_t,label(t),  logsumexp_t = ln Σ_v exp(logits_tv)
// softmax_cross_entropy_backward:  dlogits_tv = (exp(logits_tv − logsumexp_t) − [v = label(t)]) · dloss_t
// Fused kernels of ops/softmax_cross_entropy.ts. logits f32, bf16 or f64; loss, logsumexp, dloss and sums f32 (f64: f64).
// Forward reads logits once (online softmax over blocks of 1,024, Milakov & Gimelshein 2018): bytes = t·v·sizeof(T) + 12·t.
// A label is counted from `origin`; outside [origin, origin + v) it chooses nothing, as in the decomposition.
// The backward may write over logits. The order of sums depends on v alone. No workspace, no allocation.
#include "rows.h"

namespace flotilla {

namespace {

template <class T, class Index>
struct CrossEntropy {
  using A = Accumulator<T>;
  int64_t t, v, origin;
  RowView<const T> logits;
  const Index* labels;
  A *loss, *logsumexp;

  void run() const {
    parallelBlocks(t, rowsPerTask(v), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t i = begin; i < end; i++) {
          const T* x = logits.row(i);
          const A total = logSumExp(x);
          const int64_t label = int64_t(labels[i]) - origin;
          const A chosen = label >= 0 && label < v ? widen(x[label]) : A(0);
          logsumexp[i] = total;
          loss[i] = total - chosen;
        }
      });
    });
  }

  FLOTILLA_INLINE A logSumExp(const T* x) const {
    constexpr int64_t block = 1024;
    A maximum = -std::numeric_limits<A>::infinity(), sum = 0;
    for (int64_t j0 = 0; j0 < v; j0 += block) {
      const int64_t end = std::min(v, j0 + block);
      A next = maximum;
#pragma omp simd reduction(max : next)
      for (int64_t j = j0; j < end; j++) next = widen(x[j]) > next ? widen(x[j]) : next;
      const A shift = next == -std::numeric_limits<A>::infinity() ? A(0) : next;
      A part = 0;
#pragma omp simd reduction(+ : part)
      for (int64_t j = j0; j < end; j++) part += exp2Of((widen(x[j]) - shift) * A(log2e));
      sum = (next == maximum ? sum : sum * expOf(maximum - shift)) + part;
      maximum = next;
    }
    return maximum + std::log(sum);
  }
};

template <class T, class Index>
struct CrossEntropyBackward {
  using A = Accumulator<T>;
  int64_t t, v, origin;
  RowView<const T> logits;
  const Index* labels;
  const A *logsumexp, *dloss;
  RowView<T> dlogits;

  void run() const {
    parallelBlocks(t, rowsPerTask(v), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t i = begin; i < end; i++) {
          const T* x = logits.row(i);
          T* out = dlogits.row(i);
          const A total = logsumexp[i], scale = dloss[i];
          const int64_t label = int64_t(labels[i]) - origin;
          const bool chooses = label >= 0 && label < v;
          const A chosen = chooses ? (expOf(widen(x[label]) - total) - 1) * scale : A(0);
          gradientRow(x, out, v, total, scale);
          if (chooses) out[label] = narrow<T>(chosen);
        }
      });
    });
  }

  FLOTILLA_INLINE static void gradientRow(const T* x, T* out, int64_t v, A total, A scale) {
    constexpr int64_t block = 512;
    A values[block];
    for (int64_t j0 = 0; j0 < v; j0 += block) {
      const int64_t n = std::min(block, v - j0);
#pragma omp simd
      for (int64_t j = 0; j < n; j++) values[j] = exp2Of((widen(x[j0 + j]) - total) * A(log2e)) * scale;
      narrowRun(values, out + j0, n);
    }
  }
};

std::unique_ptr<Kernel> crossEntropy(const KernelCall& call) {
  requireOperands(call, 4);
  const Operand& logits = operand(call, 0, 2);
  const int64_t t = logits.sizes[0], v = logits.sizes[1];
  return withFloat(call, logits.dtype, [&]<class T>(Tag<T>) {
    return withIndex(call, call.operands[1].dtype, [&]<class Index>(Tag<Index>) {
      using A = Accumulator<T>;
      const CrossEntropy<T, Index> run{t, v, int64_t(number(call, "origin", 0)), rowView<const T>(call, 0),
                                       vectorOf<const Index>(call, 1, t), vectorOf<A>(call, 2, t), vectorOf<A>(call, 3, t)};
      return makeKernel([run] { run.run(); });
    });
  });
}

std::unique_ptr<Kernel> crossEntropyBackward(const KernelCall& call) {
  requireOperands(call, 5);
  const Operand& logits = operand(call, 0, 2);
  const Operand& dlogits = operand(call, 4, 2);
  const int64_t t = logits.sizes[0], v = logits.sizes[1];
  require(call, dlogits.sizes == logits.sizes && dlogits.dtype == logits.dtype, "dlogits has shape and type of logits");
  return withFloat(call, logits.dtype, [&]<class T>(Tag<T>) {
    return withIndex(call, call.operands[1].dtype, [&]<class Index>(Tag<Index>) {
      using A = Accumulator<T>;
      const CrossEntropyBackward<T, Index> run{t, v, int64_t(number(call, "origin", 0)), rowView<const T>(call, 0),
                                               vectorOf<const Index>(call, 1, t), vectorOf<const A>(call, 2, t),
                                               vectorOf<const A>(call, 3, t), rowView<T>(call, 4)};
      return makeKernel([run] { run.run(); });
    });
  });
}

const KernelRegistration registerForward{"softmax_cross_entropy", byDevice<crossEntropy>};
const KernelRegistration registerBackward{"softmax_cross_entropy_backward", byDevice<crossEntropyBackward>};

}  // namespace
}  // namespace flotilla
