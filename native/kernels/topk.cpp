// topk:  where the k largest of x[a v c] along v stand: indices[a c k], largest first, the lower index first among equals.
// x f32, bf16 or f64, any strides; indices i32. NaN is larger than any number, as in PyTorch.
// Each place is one more pass over v for the next in that order: k·v comparisons, no workspace, no allocation. For the few choices
// among some hundred experts of a router; a vocabulary would want a heap.
#include "support.h"

namespace flotilla {

namespace {

template <class A>
FLOTILLA_INLINE inline bool larger(A x, A y) { return x > y || (x != x && y == y); }

template <class T>
struct TopK {
  int64_t a, v, c, k;
  const T* x;
  int64_t steps[3];
  int32_t* indices;
  int64_t outSteps[3];

  void run() const {
    parallelBlocks(a * c, std::max<int64_t>(1, 4096 / std::max<int64_t>(1, k * v)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        choose(x + i / c * steps[0] + i % c * steps[2], indices + i / c * outSteps[0] + i % c * outSteps[1]);
    });
  }

  void choose(const T* from, int32_t* to) const {
    int64_t previous = -1;
    for (int64_t place = 0; place < k; place++) {
      int64_t best = -1;
      for (int64_t j = 0; j < v; j++) {
        const auto value = widen(from[j * steps[1]]);
        if (previous >= 0) {
          const auto taken = widen(from[previous * steps[1]]);
          if (larger(value, taken) || (j <= previous && !larger(taken, value))) continue;
        }
        if (best < 0 || larger(value, widen(from[best * steps[1]]))) best = j;
      }
      to[place * outSteps[2]] = int32_t(best);
      previous = best;
    }
  }
};

std::unique_ptr<Kernel> topk(const KernelCall& call) {
  requireOperands(call, 2);
  const Operand& x = operand(call, 0, 3, false);
  const Operand& indices = operand(call, 1, 3, false);
  const int64_t a = x.sizes[0], v = x.sizes[1], c = x.sizes[2], k = indices.sizes[2];
  require(call, indices.sizes[0] == a && indices.sizes[1] == c && k <= v, "x[a v c] -> indices[a c k], k at most v");
  require(call, indices.dtype == DType::i32, "indices are i32");
  return withFloat(call, x.dtype, [&]<class T>(Tag<T>) {
    const TopK<T> run{a, v, c, k, dataOf<const T>(x), {x.strides[0], x.strides[1], x.strides[2]},
                      dataOf<int32_t>(indices), {indices.strides[0], indices.strides[1], indices.strides[2]}};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registerTopK{"topk", byDevice<topk>};

}  // namespace
}  // namespace flotilla
