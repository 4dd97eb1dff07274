// layer_norm:           y = (x − mean)·rstd·weight + bias over c, rstd = 1/√(variance + eps)    (Ba, Kiros, Hinton 2016)
// layer_norm_backward:  with n = (x − mean)·rstd and g = dy·weight,
//   dx = rstd·(g − mean_c(g) − n·mean_c(g·n)),  dweight = Σ_t dy·n,  dbias = Σ_t dy
// x, y, dy, dx, each f32 or bf16 (or all f64); weight and bias of one type, dweight and dbias of one type; mean, rstd and
// sums f32 (f64: f64). The variance is taken around the mean (two passes over a row that stays in cache).
// Workspace of the backward: partial dweight and dbias of at most 64 chunks of rows, summed in order: the same bits for any
// number of threads. dx may be dy. No allocation.
#include "norm.h"

namespace flotilla {

namespace {

template <class X, class W, class Y>
struct LayerNorm {
  using A = Accumulator<X>;
  int64_t t, c;
  RowView<const X> x;
  const W *weight, *bias;
  RowView<Y> y;
  A *mean, *rstd;
  A eps;

  void run() const {
    parallelBlocks(t, rowsPerTask(c), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t i = begin; i < end; i++) row(x.row(i), y.row(i), mean[i], rstd[i]);
      });
    });
  }

  FLOTILLA_INLINE void row(const X* in, Y* out, A& meanOut, A& rstdOut) const {
    const int64_t c = this->c;
    const W *weight = this->weight, *bias = this->bias;
    A sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < c; j++) sum += widen(in[j]);
    const A middle = sum / A(c);
#pragma omp simd reduction(+ : squares)
    for (int64_t j = 0; j < c; j++) squares += (widen(in[j]) - middle) * (widen(in[j]) - middle);
    const A scale = A(1) / std::sqrt(squares / A(c) + eps);
#pragma omp simd
    for (int64_t j = 0; j < c; j++)
      out[j] = narrow<Y>((widen(in[j]) - middle) * scale * widen(weight[j]) + widen(bias[j]));
    meanOut = middle;
    rstdOut = scale;
  }
};

template <class X, class W, class DY, class DX>
struct LayerNormBackward {
  using A = Accumulator<X>;
  int64_t t, c;
  RowView<const X> x;
  const W* weight;
  const A *mean, *rstd;
  RowView<const DY> dy;
  RowView<DX> dx;
  WeightGradient<A> dweight, dbias;
  A* partial;  // [chunks][2][c]

  void run() const {
    const RowChunks chunks(t);
    parallelTasks(chunks.count, [&](int64_t chunk) {
      A *dw = partial + chunk * 2 * c, *db = dw + c;
      const int64_t begin = chunk * chunks.rows, end = std::min(t, begin + chunks.rows);
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t j = 0; j < c; j++) dw[j] = 0, db[j] = 0;
        for (int64_t i = begin; i < end; i++) row(x.row(i), dy.row(i), dx.row(i), mean[i], rstd[i], dw, db);
      });
    });
    dweight.sum(partial, chunks.count, 2 * c);
    dbias.sum(partial + c, chunks.count, 2 * c);
  }

  FLOTILLA_INLINE void row(const X* in, const DY* gradient, DX* out, A middle, A scale, A* dw, A* db) const {
    const int64_t c = this->c;
    const W* weight = this->weight;
    A sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
    for (int64_t j = 0; j < c; j++) {
      const A normal = (widen(in[j]) - middle) * scale, d = widen(gradient[j]), g = d * widen(weight[j]);
      dw[j] += d * normal;
      db[j] += d;
      sum += g;
      product += g * normal;
    }
    const A meanSum = sum / A(c), meanProduct = product / A(c);
#pragma omp simd
    for (int64_t j = 0; j < c; j++) {
      const A normal = (widen(in[j]) - middle) * scale, g = widen(gradient[j]) * widen(weight[j]);
      out[j] = narrow<DX>(scale * (g - meanSum - normal * meanProduct));
    }
  }
};

std::unique_ptr<Kernel> layerNorm(const KernelCall& call) {
  requireOperands(call, 6);
  const Operand& x = operand(call, 0, 2);
  const Operand& y = operand(call, 3, 2);
  const int64_t t = x.sizes[0], c = x.sizes[1];
  require(call, y.sizes == x.sizes, "y has the shape of x");
  return withFloats(call, {x.dtype, call.operands[1].dtype, y.dtype}, [&]<class X, class W, class Y>(Tag<X>, Tag<W>, Tag<Y>) {
    using A = Accumulator<X>;
    const LayerNorm<X, W, Y> run{t, c, rowView<const X>(call, 0), vectorOf<const W>(call, 1, c), vectorOf<const W>(call, 2, c),
                                 rowView<Y>(call, 3), vectorOf<A>(call, 4, t), vectorOf<A>(call, 5, t), A(number(call, "eps"))};
    return makeKernel([run] { run.run(); });
  });
}

std::unique_ptr<Kernel> layerNormBackward(const KernelCall& call) {
  requireOperands(call, 8);
  const Operand& x = operand(call, 0, 2);
  const Operand& dy = operand(call, 4, 2);
  const Operand& dx = operand(call, 5, 2);
  const int64_t t = x.sizes[0], c = x.sizes[1];
  require(call, dy.sizes == x.sizes && dx.sizes == x.sizes, "dy and dx have the shape of x");
  return withFloats(call, {x.dtype, call.operands[1].dtype, dy.dtype, dx.dtype},
                    [&]<class X, class W, class DY, class DX>(Tag<X>, Tag<W>, Tag<DY>, Tag<DX>) {
    using A = Accumulator<X>;
    requireScratch(call, workspace::layer_norm_backward(t, c, sizeof(A)));
    const LayerNormBackward<X, W, DY, DX> run{t, c, rowView<const X>(call, 0), vectorOf<const W>(call, 1, c), vectorOf<const A>(call, 2, t),
                                              vectorOf<const A>(call, 3, t), rowView<const DY>(call, 4), rowView<DX>(call, 5),
                                              WeightGradient<A>(call, 6, c), WeightGradient<A>(call, 7, c), static_cast<A*>(call.scratch)};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registerForward{"layer_norm", byDevice<layerNorm>};
const KernelRegistration registerBackward{"layer_norm_backward", byDevice<layerNormBackward>};

}  // namespace
}  // namespace flotilla
