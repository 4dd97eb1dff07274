// rotary: rotary position embedding, pairs (i, i + d/2) as in Llama's checkpoints on Hugging Face (Su et al. 2021).
//   y_i = x_i·cos − x_{i+d/2}·sin,  y_{i+d/2} = x_{i+d/2}·cos + x_i·sin;  inverse=1 turns back, which is the backward
// rotary_backward(cos, sin, dy -> dx) is the same turned back.
// x, y [b s h d], f32, bf16 or f64, of one type; cos, sin f32 or f64 [s, d/2]: positions come in through them. y may be x.
// Computed in f32 (f64: f64). No workspace, no allocation.
#include "rows.h"

namespace flotilla {

namespace {

template <class T, class Table>
struct Rotary {
  using A = Accumulator<T>;
  int64_t b, s, h, half;
  const T* x;
  int64_t xStrides[3];
  RowView<const Table> cos, sin;
  T* y;
  int64_t yStrides[3];
  A sign;

  void run() const {
    parallelBlocks(b * s, rowsPerTask(h * half * 2), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t row = begin; row < end; row++) {
          const Table *c = cos.row(row % s), *si = sin.row(row % s);
          for (int64_t head = 0; head < h; head++) {
            const T* from = x + row / s * xStrides[0] + row % s * xStrides[1] + head * xStrides[2];
            T* to = y + row / s * yStrides[0] + row % s * yStrides[1] + head * yStrides[2];
#pragma omp simd
            for (int64_t i = 0; i < half; i++) {
              const A first = widen(from[i]), second = widen(from[i + half]), cosine = A(c[i]), sine = A(si[i]) * sign;
              to[i] = narrow<T>(first * cosine - second * sine);
              to[i + half] = narrow<T>(second * cosine + first * sine);
            }
          }
        }
      });
    });
  }
};

std::unique_ptr<Kernel> rotary(const KernelCall& call) {
  requireOperands(call, 4);
  const bool backward = call.kernel == "rotary_backward";
  const size_t of = backward ? 2 : 0, cos = backward ? 0 : 1, sin = cos + 1;
  const Operand& x = operand(call, of, 4);
  const Operand& y = operand(call, 3, 4);
  const int64_t s = x.sizes[1], d = x.sizes[3];
  require(call, y.sizes == x.sizes && y.dtype == x.dtype, "y has shape and type of x");
  require(call, d % 2 == 0, "d is even");
  for (const size_t i : {cos, sin})
    require(call, operand(call, i, 2).sizes == std::vector<int64_t>({s, d / 2}), "cos and sin are [s, d/2]");
  require(call, call.operands[cos].dtype == call.operands[sin].dtype, "cos and sin have one type");
  return withFloat(call, x.dtype, [&]<class T>(Tag<T>) {
    return withType<float, double>(call, call.operands[cos].dtype, [&]<class Table>(Tag<Table>) {
      const Rotary<T, Table> run{x.sizes[0], s, x.sizes[2], d / 2, dataOf<const T>(x), {x.strides[0], x.strides[1], x.strides[2]},
                                 rowView<const Table>(call, cos), rowView<const Table>(call, sin), dataOf<T>(y),
                                 {y.strides[0], y.strides[1], y.strides[2]},
                                 (number(call, "inverse", 0) != 0) != backward ? Accumulator<T>(-1) : Accumulator<T>(1)};
      return makeKernel([run] { run.run(); });
    });
  });
}

const KernelRegistration registerForward{"rotary", byDevice<rotary>};
const KernelRegistration registerBackward{"rotary_backward", byDevice<rotary>};

}  // namespace
}  // namespace flotilla
