// random_uniform:    y = uniform numbers in [0, 1), 24 bits each: random.h
// dropout:           y = uniform ≥ rate ? x / (1 − rate) : 0       (Srivastava et al. 2014);  dropout_backward the same of dy
//   random_uniform(seed, step, microbatch -> y), dropout(x, seed, step, microbatch -> y), dropout_backward(seed, step,
//   microbatch, dy -> dx); seed, step, microbatch one i64 or i32 each: data, so nothing of them is compiled in.
// The number of an element is a function of (seed, step, stream, microbatch·elements + its global index) alone: the same under
// every layout, in the backward, and when recomputed. Attributes: stream; rate; elements, of the whole tensor a microbatch
// (absent: of y); start, the global index of the first element here (0); global_strides, one a dimension of y (absent: as if
// contiguous). x, y f32, bf16 or f64, any strides; y may be x. No workspace, no allocation.
#include "random.h"
#include "rows.h"

namespace flotilla {

namespace {

// A number that a step may change.
struct Integer {
  const void* data;
  bool wide;
  int64_t value() const { return wide ? *static_cast<const int64_t*>(data) : *static_cast<const int32_t*>(data); }
};

Integer integer(const KernelCall& call, size_t i) {
  const Operand& o = call.operands[i];
  const bool integral = o.dtype == DType::i64 || o.dtype == DType::i32;
  require(call, elementsOf(o) == 1 && integral, "seed, step and microbatch are one integer each");
  return {o.data, o.dtype == DType::i64};
}

// Where elements are, here and in the whole tensor.
struct Places {
  std::vector<int64_t> sizes, from, to, global;
  int64_t start, elements, inner, outer;
};

Places placesOf(const KernelCall& call, const Operand& x, const Operand& y) {
  Places p{y.sizes, x.strides, y.strides, {}, int64_t(number(call, "start", 0)), 0, 1, 1};
  require(call, x.sizes == y.sizes, "operands of one shape");
  p.elements = int64_t(number(call, "elements", double(elementsOf(y))));
  if (p.sizes.empty()) p.sizes = {1}, p.from = p.to = {1};
  const size_t rank = p.sizes.size();
  p.global.assign(rank, 1);
  for (size_t d = rank - 1; d-- > 0;) p.global[d] = p.global[d + 1] * p.sizes[d + 1];
  if (const auto it = call.numbers.find("global_strides"); it != call.numbers.end() && !it->second.empty()) {
    require(call, it->second.size() == rank, "one global stride a dimension");
    for (size_t d = 0; d < rank; d++) p.global[d] = int64_t(it->second[d]);
  }
  p.inner = p.sizes[rank - 1];
  for (size_t d = 0; d + 1 < rank; d++) p.outer *= p.sizes[d];
  return p;
}

template <class T>
struct Random {
  Integer seed, step, microbatch;
  uint32_t stream;
  Places places;
  const T* x;  // null: the numbers themselves
  T* y;
  float rate;
  Accumulator<T> scale;

  void run() const {
    const RandomStream key{uint64_t(seed.value()), uint32_t(step.value()), stream};
    const uint64_t base = uint64_t(microbatch.value()) * uint64_t(places.elements) + uint64_t(places.start);
    const int64_t block = 4096, blocks = ceilDiv(places.inner, block);
    const int64_t last = int64_t(places.sizes.size()) - 1, rows = places.inner ? std::max<int64_t>(1, block / places.inner) : 1;
    parallelBlocks(places.outer * blocks, rows, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        int64_t row = task / blocks, first = task % blocks * block, from = 0, to = 0, global = 0;
        const int64_t count = std::min(block, places.inner - first);
        for (int64_t d = last - 1; d >= 0; row /= places.sizes[d], d--) {
          const int64_t index = row % places.sizes[d];
          from += index * places.from[d], to += index * places.to[d], global += index * places.global[d];
        }
        const int64_t fromStride = places.from[last], toStride = places.to[last], globalStride = places.global[last];
        vectorised([&]() FLOTILLA_INLINE {
          fillRun(key, base + uint64_t(global + first * globalStride), globalStride,
                  x ? x + from + first * fromStride : nullptr, fromStride, y + to + first * toStride, toStride, count);
        });
      }
    });
  }

  FLOTILLA_INLINE void fillRun(const RandomStream key, uint64_t counter, int64_t globalStride, const T* in, int64_t inStride,
                               T* out, int64_t outStride, int64_t count) const {
    const float rate = this->rate;
    const Accumulator<T> scale = this->scale;
    if (!in) {
      for (int64_t i = 0; i < count; i++)
        out[i * outStride] = narrow<T>(Accumulator<T>(uniform(counter + uint64_t(i * globalStride), key)));
    } else if (inStride == 1 && outStride == 1) {
#pragma omp simd
      for (int64_t i = 0; i < count; i++) {
        const Accumulator<T> value = widen(in[i]) * scale;
        out[i] = narrow<T>(uniform(counter + uint64_t(i * globalStride), key) >= rate ? value : Accumulator<T>(0));
      }
    } else {
      for (int64_t i = 0; i < count; i++) {
        const Accumulator<T> value = widen(in[i * inStride]) * scale;
        out[i * outStride] = narrow<T>(uniform(counter + uint64_t(i * globalStride), key) >= rate ? value : Accumulator<T>(0));
      }
    }
  }
};

std::unique_ptr<Kernel> random(const KernelCall& call) {
  const bool draws = call.kernel == "random_uniform", backward = call.kernel == "dropout_backward";
  requireOperands(call, draws ? 4 : 5);
  const size_t seed = draws || backward ? 0 : 1, input = backward ? 3 : 0;
  const Operand& y = call.operands.back();
  const Operand& x = draws ? y : call.operands[input];
  require(call, x.dtype == y.dtype, "x and y have one type");
  const double rate = draws ? 0 : number(call, "rate");
  require(call, rate >= 0 && rate < 1, "0 ≤ rate < 1");
  return withFloat(call, y.dtype, [&]<class T>(Tag<T>) {
    using A = Accumulator<T>;
    const uint32_t stream = uint32_t(int64_t(number(call, "stream", 0)));
    const Random<T> run{integer(call, seed), integer(call, seed + 1), integer(call, seed + 2), stream, placesOf(call, x, y),
                        draws ? nullptr : dataOf<const T>(x), dataOf<T>(y), float(rate), A(1 / (1 - rate))};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registerUniform{"random_uniform", byDevice<random>};
const KernelRegistration registerDropout{"dropout", byDevice<random>};
const KernelRegistration registerBackward{"dropout_backward", byDevice<random>};

}  // namespace
}  // namespace flotilla
