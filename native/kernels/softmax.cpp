// softmax:           y_tv = exp(x_tv − max_v x_t) / Σ_v exp(x_tv − max_v x_t)
// softmax_backward:  dx_tv = y_tv · (dy_tv − Σ_v y_tv·dy_tv)
// f32, bf16 or f64, all operands of one type; sums f32 (f64: f64). A row of −∞ alone gives NaN, as in PyTorch.
// In place on x, on dy. No workspace, no allocation; the order of sums depends on v alone.
#include "rows.h"

namespace flotilla {

namespace {

template <class T>
struct Softmax {
  using A = Accumulator<T>;
  int64_t t, v;
  RowView<const T> x;
  RowView<T> y;

  void run() const {
    parallelBlocks(t, rowsPerTask(v), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t i = begin; i < end; i++) row(x.row(i), y.row(i));
      });
    });
  }

  FLOTILLA_INLINE void row(const T* in, T* out) const {
    const int64_t v = this->v;
    A maximum = -std::numeric_limits<A>::infinity(), sum = 0;
#pragma omp simd reduction(max : maximum)
    for (int64_t j = 0; j < v; j++) maximum = widen(in[j]) > maximum ? widen(in[j]) : maximum;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < v; j++) sum += exp2Of((widen(in[j]) - maximum) * A(log2e));
    const A scale = A(1) / sum;
#pragma omp simd
    for (int64_t j = 0; j < v; j++) out[j] = narrow<T>(exp2Of((widen(in[j]) - maximum) * A(log2e)) * scale);
  }
};

template <class T>
struct SoftmaxBackward {
  using A = Accumulator<T>;
  int64_t t, v;
  RowView<const T> y, dy;
  RowView<T> dx;

  void run() const {
    parallelBlocks(t, rowsPerTask(v), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t i = begin; i < end; i++) {
          const T *probability = y.row(i), *gradient = dy.row(i);
          T* out = dx.row(i);
          A sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t j = 0; j < v; j++) sum += widen(probability[j]) * widen(gradient[j]);
#pragma omp simd
          for (int64_t j = 0; j < v; j++) out[j] = narrow<T>(widen(probability[j]) * (widen(gradient[j]) - sum));
        }
      });
    });
  }
};

void requireOneShape(const KernelCall& call, size_t operands) {
  requireOperands(call, operands);
  for (size_t i = 0; i < operands; i++) {
    const Operand& o = operand(call, i, 2);
    require(call, o.sizes == call.operands[0].sizes && o.dtype == call.operands[0].dtype, "operands of one shape and type");
  }
}

std::unique_ptr<Kernel> softmax(const KernelCall& call) {
  requireOneShape(call, 2);
  const Operand& x = call.operands[0];
  return withFloat(call, x.dtype, [&]<class T>(Tag<T>) {
    const Softmax<T> run{x.sizes[0], x.sizes[1], rowView<const T>(call, 0), rowView<T>(call, 1)};
    return makeKernel([run] { run.run(); });
  });
}

std::unique_ptr<Kernel> softmaxBackward(const KernelCall& call) {
  requireOneShape(call, 3);
  const Operand& y = call.operands[0];
  return withFloat(call, y.dtype, [&]<class T>(Tag<T>) {
    const SoftmaxBackward<T> run{y.sizes[0], y.sizes[1], rowView<const T>(call, 0), rowView<const T>(call, 1), rowView<T>(call, 2)};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registerForward{"softmax", byDevice<softmax>};
const KernelRegistration registerBackward{"softmax_backward", byDevice<softmaxBackward>};

}  // namespace
}  // namespace flotilla
