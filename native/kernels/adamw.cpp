// adamw, adamw_cast: one AdamW step on a range of parameters, as ops/adamw.ts states it and torch.optim.AdamW does it
// (Loshchilov & Hutter 2019).
//   g  = gradient·scale
//   m' = beta1·m + (1 − beta1)·g
//   v' = beta2·v + (1 − beta2)·g²
//   p' = p·(1 − lr·weight_decay) − (lr/correction1)·m' / (√v'/√correction2 + eps)
// Reads parameter f32[t], gradient f32 or bf16[t], m and v f32[t], and one f32 each of lr, scale, correction1, correction2, skip;
// writes parameter, m, v f32[t], each of which may be the one that was read; adamw_cast also writes bf16[t], p' rounded.
// (All f64 where the parameter is f64.) Attributes beta1, beta2, eps, weight_decay. Where skip is not 0 nothing changes, whatever
// the gradient holds. No workspace, no allocation; bytes = 28·t, less 2·t for a bf16 gradient, 2·t more for the copy.
#include "rows.h"

namespace flotilla {

namespace {

template <class P, class G>
struct AdamW {
  int64_t n;
  const P* parameter;
  const G* gradient;
  const P *m, *v, *lr, *scale, *correction1, *correction2, *skip;
  P *nextParameter, *nextM, *nextV;
  bf16* copy;
  P beta1, beta2, eps, decay;

  void run() const {
    parallelBlocks(n, 16384, [&](int64_t begin, int64_t end) {
      const int64_t count = end - begin;
      if (*skip != P(0)) {
        keep(parameter + begin, nextParameter + begin, count);
        keep(m + begin, nextM + begin, count);
        keep(v + begin, nextV + begin, count);
      } else {
        vectorised([&]() FLOTILLA_INLINE {
          update(count, parameter + begin, gradient + begin, m + begin, v + begin, nextParameter + begin, nextM + begin,
                 nextV + begin);
        });
      }
      if (copy) vectorised([&]() FLOTILLA_INLINE { round(count, nextParameter + begin, copy + begin); });
    });
  }

  static void keep(const P* from, P* to, int64_t count) {
    if (from != to) std::copy(from, from + count, to);
  }

  FLOTILLA_INLINE void update(int64_t count, const P* p, const G* g, const P* oldM, const P* oldV, P* newP, P* newM,
                              P* newV) const {
    const P factor = *scale, kept = 1 - *lr * decay, step = *lr / *correction1, inverseRoot = 1 / std::sqrt(*correction2);
    const P rest1 = 1 - beta1, beta2 = this->beta2, rest2 = 1 - beta2, eps = this->eps;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
      const P x = P(widen(g[i])) * factor;
      const P first = oldM[i] + rest1 * (x - oldM[i]);
      const P second = beta2 * oldV[i] + rest2 * x * x;
      newM[i] = first;
      newV[i] = second;
      newP[i] = p[i] * kept - step * first / (std::sqrt(second) * inverseRoot + eps);
    }
  }

  FLOTILLA_INLINE static void round(int64_t count, const P* from, bf16* to) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) to[i] = narrow<bf16>(from[i]);
  }
};

std::unique_ptr<Kernel> adamw(const KernelCall& call) {
  const bool casts = call.kernel == "adamw_cast";
  requireOperands(call, casts ? 13 : 12);
  const int64_t n = operand(call, 0, 1).sizes[0];
  return withType<float, double>(call, call.operands[0].dtype, [&]<class P>(Tag<P>) {
    return withFloatBeside<P>(call, call.operands[1].dtype, [&]<class G>(Tag<G>) {
      const auto scalar = [&](size_t i) {
        const Operand& o = call.operands[i];
        require(call, elementsOf(o) == 1 && o.dtype == dtypeOf<P>, "lr, scale, correction1, correction2 and skip are one f32 each");
        return dataOf<const P>(o);
      };
      const AdamW<P, G> run{n, vectorOf<const P>(call, 0, n), vectorOf<const G>(call, 1, n), vectorOf<const P>(call, 2, n),
                            vectorOf<const P>(call, 3, n), scalar(4), scalar(5), scalar(6), scalar(7), scalar(8),
                            vectorOf<P>(call, 9, n), vectorOf<P>(call, 10, n), vectorOf<P>(call, 11, n),
                            casts ? vectorOf<bf16>(call, 12, n) : nullptr, P(number(call, "beta1")), P(number(call, "beta2")),
                            P(number(call, "eps")), P(number(call, "weight_decay"))};
      return makeKernel([run] { run.run(); });
    });
  });
}

const KernelRegistration registerPlain{"adamw", byDevice<adamw>};
const KernelRegistration registerCast{"adamw_cast", byDevice<adamw>};

}  // namespace
}  // namespace flotilla
