// matmul, matmul_bias by cuBLAS: out[b m n] (+)= Σ_k a[b m k] · b[b k n] (+ bias[n]). Operands' transposes are strides that the
// library reads; nothing is copied where each has unit stride in m, n or k and rows that do not overlap. Sums in f32, also those
// of split k. bf16 operands into an f32 result take the library's out_dtype forms, which exist on CUDA alone.
// Allocates: nothing of its own but where a bf16 result has an f32 addend, or f32 operands a bf16 result: then one product in the
// accumulator's type. (cuBLAS keeps its workspace, 32 MiB a handle and stream on Hopper.)
#include <ATen/Context.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>

#include "library.h"

namespace flotilla::library {

namespace {

struct Product {
  Tensor a, b;
  bool widens;  // bf16 operands, f32 result

  void into(Tensor& out, bool accumulates) const {
    if (widens) {
      if (accumulates) at::baddbmm_out(out, out, a, b, at::kFloat);
      else at::bmm_out(out, a, b, at::kFloat);
    } else {
      if (accumulates) out.baddbmm_(a, b);
      else at::bmm_out(out, a, b);
    }
  }
};

}  // namespace

std::unique_ptr<Kernel> matmul(const AtenCall& c) {
  const bool biased = c.kernel == "matmul_bias", accumulates = c.accumulates();
  const Tensor a = c.x[0], b = c.x[1], bias = biased ? c.x[2] : Tensor();
  const Tensor out = c.x.back();
  const auto type = a.scalar_type(), accumulator = isHalf(a) ? at::kFloat : type;
  // torch lets the library round partial sums of bf16 unless told otherwise; for the whole process.
  if (!c.onCpu()) at::globalContext().setAllowBF16ReductionCuBLAS(false);

  if (out.scalar_type() == type && !biased)
    return makeKernel([product = Product{a, b, false}, out = out, accumulates]() mutable { product.into(out, accumulates); });
  if (out.scalar_type() == type && bias.scalar_type() == type && !accumulates) {
    // One matrix: the library adds the bias as it writes. Several: it is written first, and the products added.
    if (out.size(0) == 1)
      return makeKernel([a = a[0], b = b[0], bias, out = out[0]]() mutable { at::addmm_out(out, bias, a, b); });
    return makeKernel([a, b, bias = bias.expand(out.sizes()), out = out]() mutable { at::baddbmm_out(out, bias, a, b); });
  }
  if (isHalf(a) && c.onCpu()) return nullptr;
  if (out.scalar_type() == accumulator)
    return makeKernel([product = Product{a, b, isHalf(a)}, bias, out = out, accumulates]() mutable {
      product.into(out, accumulates);
      if (bias.defined()) out.add_(bias);
    });
  return makeKernel([a, b, bias, out = out, accumulates]() mutable {
    Tensor product = isHalf(a) ? at::bmm(a, b, at::kFloat) : at::bmm(a, b);
    if (bias.defined()) product.add_(bias);
    if (accumulates) out.add_(product);
    else out.copy_(product);
  });
}

}  // namespace flotilla::library
