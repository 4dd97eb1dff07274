// einsum:    y[o…] = factor · Σ_s Π_i x_i[o… s…]        accumulate: y += …
// max_over:  y[o…] = max_s x[o… s…]                     accumulate: y = max(y, …)
// The general form of both: what runs where no faster kernel takes the operands as they lie. Up to 7 operands x of any mix of types,
// each with all dimensions, those of y first; stride 0 where it lacks one. Strides are free. NaN wins a max.
// Products and sums are f64 for every type (exact for integers up to 2^53), in the order of the summed dimensions, and rounded once:
// the meaning of the op itself. A task owns a run of results: the same bits for any number of threads. No workspace, no allocation.
#include "runs.h"

namespace flotilla {

namespace {

constexpr int maxOperands = 8;
constexpr int maxDimensions = 24;
constexpr int64_t run = 512;  // elements at a time: a buffer of 4 KiB an operand

struct Sums {
  static constexpr double start = 0;
  static void add(double* sums, const double* values, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) sums[i] += values[i];
  }
  static double combine(double x, double y) { return x + y; }
};
struct Maxima {
  static constexpr double start = -std::numeric_limits<double>::infinity();
  static void add(double* sums, const double* values, int64_t n) {
    for (int64_t i = 0; i < n; i++) sums[i] = combine(sums[i], values[i]);
  }
  static double combine(double x, double y) { return x > y || x != x ? x : y; }
};

struct Term {
  Port port;
  int64_t strides[maxDimensions];

  const char* at(int64_t offset) const { return port.data + offset * port.bytes; }
};

template <class Combine>
struct Contraction {
  int results, dimensions, inputs;
  int64_t sizes[maxDimensions];
  Term terms[maxOperands];  // the operands, then y
  double factor;
  bool accumulate;

  int64_t count(int from, int to) const {
    int64_t n = 1;
    for (int d = from; d < to; d++) n *= sizes[d];
    return n;
  }

  void runAll() const {
    if (count(0, results) == 0) return;
    const int64_t inner = results > 0 ? sizes[results - 1] : 1;
    const int64_t summed = count(results, dimensions), depth = dimensions > results ? sizes[dimensions - 1] : 1;
    // Along the results or along the sums, whichever has the longer run.
    if (inner >= 8 || inner >= depth) {
      const int64_t blocks = ceilDiv(inner, run);
      const int64_t each = std::max<int64_t>(1, std::min(inner, run) * summed);
      parallelBlocks(count(0, results - 1) * blocks, std::max<int64_t>(1, 16384 / each), [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; task++) {
          const int64_t first = task % blocks * run;
          across(task / blocks, first, std::min(run, inner - first));
        }
      });
    } else {
      parallelBlocks(count(0, results), std::max<int64_t>(1, 16384 / std::max<int64_t>(1, summed)), [&](int64_t begin, int64_t end) {
        for (int64_t result = begin; result < end; result++) along(result);
      });
    }
  }

  // Offsets of the operands and y at the index-th place of dimensions [0, to).
  void locate(int64_t index, int to, int64_t* offsets) const {
    std::fill(offsets, offsets + inputs + 1, 0);
    for (int d = to - 1; d >= 0; index /= sizes[d], d--)
      for (int o = 0; o <= inputs; o++) offsets[o] += index % sizes[d] * terms[o].strides[d];
  }

  // Visits every place of dimensions [results, to): offsets are those of the operands there.
  template <class Visit>
  void nest(int to, int64_t* offsets, const Visit& visit) const {
    if (count(results, to) == 0) return;
    int64_t index[maxDimensions] = {};
    for (;;) {
      visit();
      int d = to - 1;
      for (; d >= results; d--) {
        for (int o = 0; o < inputs; o++) offsets[o] += terms[o].strides[d];
        if (++index[d] < sizes[d]) break;
        for (int o = 0; o < inputs; o++) offsets[o] -= terms[o].strides[d] * sizes[d];
        index[d] = 0;
      }
      if (d < results) return;
    }
  }

  // n products along dimension d, in `values`; a term is read through `buffer`.
  const double* products(const int64_t* offsets, int d, int64_t n, double* values, double* buffer) const {
    const auto read = [&](int o, double* into) { return fetch(terms[o].port, terms[o].at(offsets[o]), terms[o].strides[d], n, into); };
    if (inputs == 1) return read(0, values);
    const double* first = read(0, values);
    for (int o = 1; o < inputs; o++) {
      const double* next = read(o, buffer);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) values[i] = first[i] * next[i];
      first = values;
    }
    return values;
  }

  // n results along the innermost dimension of y.
  void across(int64_t row, int64_t first, int64_t n) const {
    const int inner = std::max(0, results - 1);
    int64_t offsets[maxOperands];
    locate(row, inner, offsets);
    if (results > 0)
      for (int o = 0; o <= inputs; o++) offsets[o] += first * terms[o].strides[inner];
    const int64_t to = offsets[inputs];
    alignas(64) double sums[run], values[run], buffer[run];
    std::fill(sums, sums + n, Combine::start);
    nest(dimensions, offsets, [&] { Combine::add(sums, products(offsets, inner, n, values, buffer), n); });
    put(sums, n, to, results > 0 ? terms[inputs].strides[inner] : 1, buffer);
  }

  // One result: runs along the innermost summed dimension.
  void along(int64_t result) const {
    const int inner = dimensions - 1;
    int64_t offsets[maxOperands];
    locate(result, results, offsets);
    const int64_t to = offsets[inputs];
    alignas(64) double values[run], buffer[run];
    double sum = Combine::start;
    nest(inner, offsets, [&] {
      int64_t here[maxOperands];
      for (int64_t first = 0; first < sizes[inner]; first += run) {
        const int64_t n = std::min(run, sizes[inner] - first);
        for (int o = 0; o < inputs; o++) here[o] = offsets[o] + first * terms[o].strides[inner];
        const double* products = this->products(here, inner, n, values, buffer);
        for (int64_t i = 0; i < n; i++) sum = Combine::combine(sum, products[i]);
      }
    });
    put(&sum, 1, to, 1, buffer);
  }

  void put(double* sums, int64_t n, int64_t offset, int64_t stride, double* buffer) const {
    const Term& y = terms[inputs];
    if (factor != 1)
      for (int64_t i = 0; i < n; i++) sums[i] *= factor;
    if (accumulate) {
      const double* before = fetch(y.port, y.at(offset), stride, n, buffer);
      for (int64_t i = 0; i < n; i++) sums[i] = Combine::combine(before[i], sums[i]);
    }
    deliver(y.port, sums, n, y.port.data + offset * y.port.bytes, stride);
  }
};

template <class Combine>
std::unique_ptr<Kernel> contraction(const KernelCall& call) {
  const bool product = call.kernel == "einsum";
  require(call, call.operands.size() >= 2 && call.operands.size() <= (product ? maxOperands : 2), "1 to 7 operands (max_over: 1) and the result");
  const Operand &y = call.operands.back(), &x = call.operands[0];
  Contraction<Combine> c{int(y.sizes.size()), int(x.sizes.size()), int(call.operands.size()) - 1, {}, {},
                         number(call, "factor", 1), number(call, "accumulate", 0) != 0};
  require(call, c.dimensions <= maxDimensions, "at most 24 dimensions");
  require(call, c.results <= c.dimensions && std::equal(y.sizes.begin(), y.sizes.end(), x.sizes.begin()), "the dimensions of y first");
  std::copy(x.sizes.begin(), x.sizes.end(), c.sizes);
  for (size_t i = 0; i < call.operands.size(); i++) {
    const Operand& o = call.operands[i];
    require(call, o.strides.size() == o.sizes.size() && (&o == &y || o.sizes == x.sizes), "operands of one shape (stride 0 broadcasts)");
    c.terms[i].port = {static_cast<char*>(o.data), o.dtype, elementBytes(o.dtype)};
    std::copy(o.strides.begin(), o.strides.end(), c.terms[i].strides);
  }
  return makeKernel([c] { c.runAll(); });
}

const KernelRegistration registerEinsum{"einsum", byDevice<contraction<Sums>>};
const KernelRegistration registerMaxOver{"max_over", byDevice<contraction<Maxima>>};

}  // namespace
}  // namespace flotilla
