// sum, max_reduce:  y[a c] = Σ_r x[a r c], max_r x[a r c]; accumulate: y += …, y = max(y, …)
// sum_squares:      y = Σ_i x_i², what a gradient's norm is made of; accumulate: y += …
// square_bins:      y[3] = Σ_i (x_i·unit)² in three parts, f64: of each square what lies on the grid of shifts[0]'s last bit, of the rest
//                   what lies on that of shifts[1], of that rest what is nearest on that of shifts[2] (ops/square_bins.ts)
// x any float and any strides (sum_squares: unit), y any float of the same width class (f64 with f64 alone; sum_squares: f32 or
// f64); sum: x and y i32 or i64 too. Sums f32 (f64: f64; integers: i64; sum_squares: f64 over blocks of 4,096 summed in f32).
// Workspace: partial results of R = min(32, ceil(r/1024)) chunks of r, combined in order, so that few long sums still use every
// thread; the chunks depend on r alone: the same bits for any number of threads. NaN wins a max. No allocation, no aliasing.
#include <array>

#include "rows.h"
#include "workspaces.h"

namespace flotilla {

namespace {

struct Sum {
  static constexpr double start = 0;
  template <class A>
  FLOTILLA_INLINE static A combine(A x, A y) { return x + y; }
};
struct Max {
  static constexpr double start = -std::numeric_limits<double>::infinity();
  template <class A>
  FLOTILLA_INLINE static A combine(A x, A y) { return x > y || x != x ? x : y; }
};

constexpr int64_t columnBlock = 256;

template <class Combine, class X, class Y>
struct Reduce {
  using A = Accumulator<X>;
  int64_t a, r, c, chunks;
  const X* x;
  int64_t xStrides[3];
  Y* y;
  int64_t yStrides[2];
  bool accumulate;
  A* partial;  // [a][chunks][c]


  void run() const {
    const int64_t chunkRows = ceilDiv(r, chunks), blocks = ceilDiv(c, columnBlock);
    // About 16,384 elements a task: several of the (a, chunk, column block) pieces where they are small.
    const int64_t pieceElements = std::max<int64_t>(1, chunkRows * std::min(c, columnBlock));
    parallelBlocks(a * chunks * blocks, std::max<int64_t>(1, 16384 / pieceElements), [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; piece++) {
        const int64_t i = piece / blocks / chunks, chunk = piece / blocks % chunks, j = piece % blocks * columnBlock;
        const int64_t first = chunk * chunkRows, rows = std::clamp<int64_t>(r - first, 0, chunkRows);
        reducePiece(i, chunk, first, rows, j, std::min(columnBlock, c - j));
      }
    });
    if (chunks == 1) return;
    parallelBlocks(a * c, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t index = begin; index < end; index++) {
        const A* from = partial + index / c * chunks * c + index % c;
        A value = from[0];
        for (int64_t chunk = 1; chunk < chunks; chunk++) value = Combine::combine(value, from[chunk * c]);
        put(index / c, index % c, value);
      }
    });
  }

  void put(int64_t i, int64_t j, A value) const {
    Y* out = y + i * yStrides[0] + j * yStrides[1];
    *out = narrow<Y>(accumulate ? Combine::combine(A(widen(*out)), value) : value);
  }

  void reducePiece(int64_t i, int64_t chunk, int64_t first, int64_t rows, int64_t j0, int64_t columns) const {
    alignas(64) A values[columnBlock];
    const X* from = x + i * xStrides[0] + first * xStrides[1] + j0 * xStrides[2];
    vectorised([&]() FLOTILLA_INLINE {
      if (xStrides[1] == 1 && (columns == 1 || xStrides[2] != 1)) {
        for (int64_t j = 0; j < columns; j++) values[j] = alongRow(from + j * xStrides[2], rows);
      } else if (xStrides[2] == 1 || columns == 1) {
        acrossRows(from, rows, columns, values);
      } else {
        for (int64_t j = 0; j < columns; j++) {
          A value = A(Combine::start);
          for (int64_t k = 0; k < rows; k++) value = Combine::combine(value, A(widen(from[k * xStrides[1] + j * xStrides[2]])));
          values[j] = value;
        }
      }
    });
    if (chunks > 1) std::copy(values, values + columns, partial + (i * chunks + chunk) * c + j0);
    else for (int64_t j = 0; j < columns; j++) put(i, j0 + j, values[j]);
  }

  FLOTILLA_INLINE A alongRow(const X* from, int64_t n) const {
    A lanes[16];
    for (int64_t l = 0; l < 16; l++) lanes[l] = A(Combine::start);
    int64_t k = 0;
    for (; k + 16 <= n; k += 16) {
#pragma omp simd
      for (int64_t l = 0; l < 16; l++) lanes[l] = Combine::combine(lanes[l], A(widen(from[k + l])));
    }
    for (int64_t l = 0; k < n; k++, l++) lanes[l] = Combine::combine(lanes[l], A(widen(from[k])));
    for (int64_t half = 8; half > 0; half /= 2)
      for (int64_t l = 0; l < half; l++) lanes[l] = Combine::combine(lanes[l], lanes[l + half]);
    return lanes[0];
  }

  FLOTILLA_INLINE void acrossRows(const X* from, int64_t rows, int64_t columns, A* values) const {
    for (int64_t j = 0; j < columns; j++) values[j] = A(Combine::start);
    for (int64_t k = 0; k < rows; k++) {
      const X* row = from + k * xStrides[1];
#pragma omp simd
      for (int64_t j = 0; j < columns; j++) values[j] = Combine::combine(values[j], A(widen(row[j])));
    }
  }
};

template <class Combine, class... Types>
std::unique_ptr<Kernel> reduce(const KernelCall& call) {
  requireOperands(call, 2);
  const Operand& x = operand(call, 0, 3, false);
  const Operand& y = operand(call, 1, 2, false);
  require(call, y.sizes[0] == x.sizes[0] && y.sizes[1] == x.sizes[2], "x[a r c] -> y[a c]");
  return withType<Types...>(call, x.dtype, [&]<class X>(Tag<X>) {
    return withBeside<X>(call, y.dtype, [&]<class Y>(Tag<Y>) {
      using R = Reduce<Combine, X, Y>;
      const int64_t a = x.sizes[0], r = x.sizes[1], c = x.sizes[2], chunks = workspace::reduction_chunks(r);
      requireScratch(call, workspace::reduction(a, r, c));
      const R run{a, r, c, chunks, dataOf<const X>(x), {x.strides[0], r == 1 && c == 1 ? 1 : x.strides[1], x.strides[2]},
                  dataOf<Y>(y), {y.strides[0], y.strides[1]}, number(call, "accumulate", 0) != 0,
                  static_cast<Accumulator<X>*>(call.scratch)};
      return makeKernel([run] { run.run(); });
    });
  });
}

template <class X>
FLOTILLA_INLINE inline Accumulator<X> squaresOf(const X* x, int64_t n) {
  Accumulator<X> sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; j++) sum += widen(x[j]) * widen(x[j]);
  return sum;
}

template <class X>
double sumOfSquares(const X* x, int64_t n) {
  constexpr int64_t block = 4096;
  double total = 0;
  vectorised([&]() FLOTILLA_INLINE {
    for (int64_t i = 0; i < n; i += block) total += squaresOf(x + i, std::min(block, n - i));
  });
  return total;
}

std::unique_ptr<Kernel> sumSquares(const KernelCall& call) {
  constexpr int64_t chunks = 64;
  requireOperands(call, 2);
  const Operand& x = operand(call, 0, 1);
  const Operand& y = call.operands[1];
  require(call, elementsOf(y) == 1 && (y.dtype == DType::f32 || y.dtype == DType::f64), "y is one f32 or f64");
  requireScratch(call, workspace::sum_squares());
  const bool accumulate = number(call, "accumulate", 0) != 0, wide = y.dtype == DType::f64;
  return withFloat(call, x.dtype, [&]<class X>(Tag<X>) {
    const X* from = dataOf<const X>(x);
    void* to = y.data;
    double* partial = static_cast<double*>(call.scratch);
    const int64_t n = x.sizes[0], size = roundUp(ceilDiv(n, chunks), 4096);
    return makeKernel([=] {
      parallelTasks(chunks, [&](int64_t chunk) {
        const int64_t begin = std::min(n, chunk * size);
        partial[chunk] = sumOfSquares(from + begin, std::min(size, n - begin));
      });
      double total = 0;
      for (int64_t chunk = 0; chunk < chunks; chunk++) total += partial[chunk];
      if (wide) *static_cast<double*>(to) = total + (accumulate ? *static_cast<double*>(to) : 0);
      else *static_cast<float*>(to) = float(total + (accumulate ? *static_cast<float*>(to) : 0));
    });
  });
}

constexpr int64_t bins = 3;

template <class X>
void squareBinsOf(const X* x, int64_t n, double unit, const double* shifts, double* to) {
  vectorised([&]() FLOTILLA_INLINE {
    const double first = shifts[0], second = shifts[1], third = shifts[2], scale = unit;
    double coarse = 0, finer = 0, finest = 0;
#pragma omp simd reduction(+ : coarse, finer, finest)
    for (int64_t i = 0; i < n; i++) {
      const double value = double(widen(x[i])) * scale, square = value * value;
      // Squares of f32 are exact in f64. Those of f64 may be rounded or, in an fma, not: all parts lie on their grids either way.
      const double part = (square + first) - first, rest = square - part;
      const double next = (rest + second) - second;
      coarse += part;
      finer += next;
      finest += ((rest - next) + third) - third;
    }
    to[0] = coarse, to[1] = finer, to[2] = finest;
  });
}

std::unique_ptr<Kernel> squareBins(const KernelCall& call) {
  constexpr int64_t chunks = 64;
  requireOperands(call, 2);
  const Operand& x = operand(call, 0, 1);
  const Operand& y = call.operands[1];
  require(call, y.sizes == std::vector<int64_t>{bins} && y.dtype == DType::f64, "y is f64[3]");
  requireScratch(call, workspace::square_bins());
  const auto& given = call.numbers.at("shifts");
  require(call, given.size() == bins, "shifts are three");
  const std::array<double, bins> shifts{given[0], given[1], given[2]};
  const double unit = number(call, "unit");
  return withFloat(call, x.dtype, [&]<class X>(Tag<X>) {
    const X* from = dataOf<const X>(x);
    double* to = static_cast<double*>(y.data);
    const int64_t n = x.sizes[0], size = ceilDiv(n, chunks), stride = y.strides[0];
    double* partial = static_cast<double*>(call.scratch);
    return makeKernel([=] {
      parallelTasks(chunks, [&](int64_t chunk) {
        const int64_t begin = std::min(n, chunk * size);
        squareBinsOf(from + begin, std::min(size, n - begin), unit, shifts.data(), partial + chunk * bins);
      });
      for (int64_t bin = 0; bin < bins; bin++) {
        double total = 0;
        for (int64_t chunk = 0; chunk < chunks; chunk++) total += partial[chunk * bins + bin];
        to[bin * stride] = total;
      }
    });
  });
}

const KernelRegistration registerSum{"sum", byDevice<reduce<Sum, float, bf16, double, int32_t, int64_t>>};
const KernelRegistration registerMax{"max_reduce", byDevice<reduce<Max, float, bf16, double>>};
const KernelRegistration registerSquares{"sum_squares", byDevice<sumSquares>};
const KernelRegistration registerBins{"square_bins", byDevice<squareBins>};

}  // namespace
}  // namespace flotilla
