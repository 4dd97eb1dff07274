// adamw, adamw_cast by the library's fused update, in place: parameter, m and v of the results are copied from those that are read
// where they lie elsewhere. The kernel reads lr, the step and found_inf on the device; the gradient is scaled into an f32 temporary,
// since the kernel's own scale would be written back into it.
//
// The library wants the step t where the op gives c1 = 1 − β1^t and c2 = 1 − β2^t: t = ln(1 − c) / ln β, in f64, rounded, from the
// larger β. Its c in f32 is within 2^-25 of the true one, so t is within 2^-25 / (β^t·−ln β) of it: exact while that is below a half
// (β = 0.999: 10,000 steps; 0.95: 270); after that the smaller β's own correction, and soon both, are 1 in f32 for any t that far.
// Where c is 1, t is infinite and the library's corrections are 1 too.
// Allocates: the scaled gradient, 4 bytes a parameter, and a few single numbers.
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <cmath>

#include "library.h"

namespace flotilla::library {

std::unique_ptr<Kernel> adamw(const AtenCall& c) {
  if (c.x[0].scalar_type() != at::kFloat) return nullptr;
  for (size_t i = 0; i < c.x.size(); i++)
    if (!c.x[i].is_contiguous()) return nullptr;
  const double beta1 = c.number("beta1"), beta2 = c.number("beta2"), eps = c.number("eps"), decay = c.number("weight_decay");
  const bool casts = c.x.size() > 12;
  const Tensor correction = c.x[beta1 > beta2 ? 6 : 7];
  const double logarithm = std::log(std::max(beta1, beta2));
  const Tensor read[] = {c.x[0], c.x[2], c.x[3]}, written[] = {c.x[9], c.x[10], c.x[11]};
  std::vector<std::pair<Tensor, Tensor>> moved;
  for (int i = 0; i < 3; i++)
    if (read[i].data_ptr() != written[i].data_ptr()) moved.emplace_back(read[i], written[i]);

  return makeKernel([=, gradient = c.x[1], lr = c.x[4].squeeze(), scale = c.x[5].view({1}), skip = c.x[8].squeeze(),
                     parameter = c.x[9], m = c.x[10], v = c.x[11], copy = casts ? c.x[12] : Tensor()]() mutable {
    for (auto& [from, to] : moved) to.copy_(from);
    const Tensor scaled = at::mul(gradient, scale);
    // With both β zero the corrections are 1 at every step.
    const Tensor step = std::isinf(logarithm) ? at::ones({}, lr.options())
                                              : correction.squeeze().to(at::kDouble).neg().log1p_().div_(logarithm).round_().to(at::kFloat);
    const Tensor skipped = skip.ne(0).to(at::kFloat);
    at::_fused_adamw_({parameter}, {scaled}, {m}, {v}, {}, {step}, lr, beta1, beta2, decay, eps, false, false, {}, skipped);
    if (copy.defined()) copy.copy_(parameter);
  });
}

}  // namespace flotilla::library
