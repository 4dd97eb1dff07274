// rms_norm:           y = x·rstd·weight over c, rstd = 1/√(mean_c(x²) + eps)    (Zhang & Sennrich 2019, arXiv:1910.07467)
// rms_norm_backward:  with n = x·rstd and g = dy·weight,  dx = rstd·(g − n·mean_c(g·n)),  dweight = Σ_t dy·n
// Types, workspace, order of sums and aliasing as in layer_norm.cpp.
#include "norm.h"

namespace flotilla {

namespace {

template <class X, class W, class Y>
struct RmsNorm {
  using A = Accumulator<X>;
  int64_t t, c;
  RowView<const X> x;
  const W* weight;
  RowView<Y> y;
  A* rstd;
  A eps;

  void run() const {
    parallelBlocks(t, rowsPerTask(c), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t i = begin; i < end; i++) rstd[i] = row(x.row(i), y.row(i));
      });
    });
  }

  FLOTILLA_INLINE A row(const X* in, Y* out) const {
    const int64_t c = this->c;
    const W* weight = this->weight;
    A squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t j = 0; j < c; j++) squares += widen(in[j]) * widen(in[j]);
    const A scale = A(1) / std::sqrt(squares / A(c) + eps);
#pragma omp simd
    for (int64_t j = 0; j < c; j++) out[j] = narrow<Y>(widen(in[j]) * scale * widen(weight[j]));
    return scale;
  }
};

template <class X, class W, class DY, class DX>
struct RmsNormBackward {
  using A = Accumulator<X>;
  int64_t t, c;
  RowView<const X> x;
  const W* weight;
  const A* rstd;
  RowView<const DY> dy;
  RowView<DX> dx;
  WeightGradient<A> dweight;
  A* partial;  // [chunks][c]

  void run() const {
    const RowChunks chunks(t);
    parallelTasks(chunks.count, [&](int64_t chunk) {
      A* dw = partial + chunk * c;
      const int64_t begin = chunk * chunks.rows, end = std::min(t, begin + chunks.rows);
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t j = 0; j < c; j++) dw[j] = 0;
        for (int64_t i = begin; i < end; i++) row(x.row(i), dy.row(i), dx.row(i), rstd[i], dw);
      });
    });
    dweight.sum(partial, chunks.count, c);
  }

  FLOTILLA_INLINE void row(const X* in, const DY* gradient, DX* out, A scale, A* dw) const {
    const int64_t c = this->c;
    const W* weight = this->weight;
    A product = 0;
#pragma omp simd reduction(+ : product)
    for (int64_t j = 0; j < c; j++) {
      const A normal = widen(in[j]) * scale, d = widen(gradient[j]);
      dw[j] += d * normal;
      product += d * widen(weight[j]) * normal;
    }
    const A meanProduct = product / A(c);
#pragma omp simd
    for (int64_t j = 0; j < c; j++)
      out[j] = narrow<DX>(scale * (widen(gradient[j]) * widen(weight[j]) - widen(in[j]) * scale * meanProduct));
  }
};

std::unique_ptr<Kernel> rmsNorm(const KernelCall& call) {
  requireOperands(call, 4);
  const Operand& x = operand(call, 0, 2);
  const Operand& y = operand(call, 2, 2);
  const int64_t t = x.sizes[0], c = x.sizes[1];
  require(call, y.sizes == x.sizes, "y has the shape of x");
  return withFloats(call, {x.dtype, call.operands[1].dtype, y.dtype}, [&]<class X, class W, class Y>(Tag<X>, Tag<W>, Tag<Y>) {
    using A = Accumulator<X>;
    const RmsNorm<X, W, Y> run{t, c, rowView<const X>(call, 0), vectorOf<const W>(call, 1, c), rowView<Y>(call, 2),
                               vectorOf<A>(call, 3, t), A(number(call, "eps"))};
    return makeKernel([run] { run.run(); });
  });
}

std::unique_ptr<Kernel> rmsNormBackward(const KernelCall& call) {
  requireOperands(call, 6);
  const Operand& x = operand(call, 0, 2);
  const Operand& dy = operand(call, 3, 2);
  const Operand& dx = operand(call, 4, 2);
  const int64_t t = x.sizes[0], c = x.sizes[1];
  require(call, dy.sizes == x.sizes && dx.sizes == x.sizes, "dy and dx have the shape of x");
  return withFloats(call, {x.dtype, call.operands[1].dtype, dy.dtype, dx.dtype},
                    [&]<class X, class W, class DY, class DX>(Tag<X>, Tag<W>, Tag<DY>, Tag<DX>) {
    using A = Accumulator<X>;
    requireScratch(call, workspace::rms_norm_backward(t, c, sizeof(A)));
    const RmsNormBackward<X, W, DY, DX> run{t, c, rowView<const X>(call, 0), vectorOf<const W>(call, 1, c), vectorOf<const A>(call, 2, t),
                                            rowView<const DY>(call, 3), rowView<DX>(call, 4), WeightGradient<A>(call, 5, c),
                                            static_cast<A*>(call.scratch)};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registerForward{"rms_norm", byDevice<rmsNorm>};
const KernelRegistration registerBackward{"rms_norm_backward", byDevice<rmsNormBackward>};

}  // namespace
}  // namespace flotilla
