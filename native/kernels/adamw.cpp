// adamw, adamw_cast: one AdamW step on a flat range of parameters (Loshchilov & Hutter 2019, as torch.optim.AdamW does it).
//   g = gradient·grad_scale
//   parameter −= lr·weight_decay·parameter
//   m = beta1·m + (1 − beta1)·g,  v = beta2·v + (1 − beta2)·g²
//   parameter −= lr/bias_correction1 · m / (√(v/bias_correction2) + eps)
// gradient f32 or bf16[n]; scalars f32[9] = [lr, beta1, beta2, eps, weight_decay, bias_correction1, bias_correction2, grad_scale,
// skip]; parameter, m, v f32[n], read and written in place; adamw_cast also writes copy bf16[n], the parameter rounded.
// skip ≠ 0 leaves parameter, m and v as they are, whatever the gradient holds (copy is written all the same).
// All scalars are data: a step changes nothing that was compiled. No workspace, no allocation; bytes = 28·n (+ 2·n), 26·n for
// a bf16 gradient.
#include "rows.h"

namespace flotilla {

namespace {

template <class G>
struct AdamW {
  int64_t n;
  const G* gradient;
  const float* scalars;
  float *parameter, *m, *v;
  bf16* copy;

  void run() const {
    parallelBlocks(n, 16384, [&](int64_t begin, int64_t end) {
      if (scalars[8] == 0) vectorised([&]() FLOTILLA_INLINE { update(begin, end); });
      if (copy) vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
        for (int64_t i = begin; i < end; i++) copy[i] = narrow<bf16>(parameter[i]);
      });
    });
  }

  FLOTILLA_INLINE void update(int64_t begin, int64_t end) const {
    const float lr = scalars[0], beta1 = scalars[1], beta2 = scalars[2], eps = scalars[3], gradScale = scalars[7];
    const float keep = 1 - lr * scalars[4], step = lr / scalars[5], inverseRoot = 1 / std::sqrt(scalars[6]);
    const float rest1 = 1 - beta1, rest2 = 1 - beta2;
#pragma omp simd
    for (int64_t i = begin; i < end; i++) {
      const float g = widen(gradient[i]) * gradScale;
      const float first = m[i] + rest1 * (g - m[i]);
      const float second = beta2 * v[i] + rest2 * g * g;
      m[i] = first;
      v[i] = second;
      parameter[i] = parameter[i] * keep - step * first / (std::sqrt(second) * inverseRoot + eps);
    }
  }
};

std::unique_ptr<Kernel> adamw(const KernelCall& call) {
  const bool casts = call.kernel == "adamw_cast";
  requireOperands(call, casts ? 6 : 5);
  const Operand& gradient = operand(call, 0, 1);
  const int64_t n = gradient.sizes[0];
  return withType<float, bf16>(call, gradient.dtype, [&]<class G>(Tag<G>) {
    const AdamW<G> run{n, vectorOf<const G>(call, 0, n), vectorOf<const float>(call, 1, 9), vectorOf<float>(call, 2, n),
                       vectorOf<float>(call, 3, n), vectorOf<float>(call, 4, n), casts ? vectorOf<bf16>(call, 5, n) : nullptr};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registerPlain{"adamw", byDevice<adamw>};
const KernelRegistration registerCast{"adamw_cast", byDevice<adamw>};

}  // namespace
}  // namespace flotilla
