// cumsum:  y[a r c] = Σ_{q ≤ r} x[a q c]; reverse: Σ_{q ≥ r}
// x and y of one type, f32, bf16, f64, i32 or i64; sums f32 (f64: f64, integers: i64), rounded only where they are written.
// Any strides. In place on x. A task owns a block of columns: one pass over x, in the order of r, the same bits for any number of
// threads. No workspace, no allocation.
#include "support.h"

namespace flotilla {

namespace {

constexpr int64_t columnBlock = 64;

template <class T>
struct RunningSums {
  using A = Accumulator<T>;
  int64_t a, r, c;
  const T* x;
  int64_t xSteps[3];
  T* y;
  int64_t ySteps[3];
  bool reverse;

  void run() const {
    const int64_t blocks = ceilDiv(c, columnBlock);
    const int64_t taskElements = std::max<int64_t>(1, r * std::min(c, columnBlock));
    parallelBlocks(a * blocks, std::max<int64_t>(1, 16384 / taskElements), [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t i = task / blocks, j = task % blocks * columnBlock;
        columns(x + i * xSteps[0] + j * xSteps[2], y + i * ySteps[0] + j * ySteps[2], std::min(columnBlock, c - j));
      }
    });
  }

  void columns(const T* from, T* to, int64_t width) const {
    A sums[columnBlock] = {};
    for (int64_t step = 0; step < r; step++) {
      const int64_t at = reverse ? r - 1 - step : step;
      const T* row = from + at * xSteps[1];
      T* out = to + at * ySteps[1];
      for (int64_t j = 0; j < width; j++) {
        sums[j] += widen(row[j * xSteps[2]]);
        out[j * ySteps[2]] = narrow<T>(sums[j]);
      }
    }
  }
};

std::unique_ptr<Kernel> cumsum(const KernelCall& call) {
  requireOperands(call, 2);
  const Operand& x = operand(call, 0, 3, false);
  const Operand& y = operand(call, 1, 3, false);
  require(call, x.sizes == y.sizes && x.dtype == y.dtype, "x[a r c] -> y[a r c] of one type");
  return withType<float, bf16, double, int32_t, int64_t>(call, x.dtype, [&]<class T>(Tag<T>) {
    const RunningSums<T> run{x.sizes[0], x.sizes[1], x.sizes[2],
                             dataOf<const T>(x), {x.strides[0], x.strides[1], x.strides[2]},
                             dataOf<T>(y), {y.strides[0], y.strides[1], y.strides[2]}, number(call, "reverse", 0) != 0};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registerCumsum{"cumsum", byDevice<cumsum>};

}  // namespace
}  // namespace flotilla
