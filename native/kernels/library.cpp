// Which of the library's calls serves which kernel, and the forms that are a line each: elementwise operations, sums, casts. These are
// TensorIterator's out-variants. Their inner type is the promoted type of the operands, so where all of them are bf16 and the result
// is f32 the first operand is copied into the result and the rest is done there: no rounding between, no temporary.
// Allocates: sum with accumulate, or of f32 into bf16, the sum, swiglu and its backward one f32 temporary of the operands' shape for bf16, nothing else.
#include "library.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/le.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

#include <map>

namespace flotilla {

namespace library {

namespace {

// True where the promoted type of the operands would round what the result keeps.
bool roundsBetween(const Tensor& y, std::initializer_list<Tensor> operands) {
  for (const Tensor& x : operands)
    if (!isHalf(x)) return false;
  return !isHalf(y);
}

using Unary = void (*)(Tensor&, const Tensor&);
using Binary = void (*)(Tensor&, const Tensor&, const Tensor&);

Form unary(Unary op) {
  return [op](const AtenCall& c) {
    const bool widens = roundsBetween(c.x[1], {c.x[0]});
    return makeKernel([=, x = c.x[0], y = c.x[1]]() mutable { widens ? op(y.copy_(x), y) : op(y, x); });
  };
}

std::unique_ptr<Kernel> binaryKernel(const Tensor& a, const Tensor& b, const Tensor& y, Binary op) {
  const bool widens = roundsBetween(y, {a, b});
  return makeKernel([=, a = a, b = b, y = y]() mutable { widens ? op(y.copy_(a), y, b) : op(y, a, b); });
}
Form binary(Binary op) {
  return [op](const AtenCall& c) { return binaryKernel(c.x[0], c.x[1], c.x[2], op); };
}

// Results of comparisons are bytes that hold 0 or 1: booleans.
Form comparison(Binary op) {
  return [op](const AtenCall& c) {
    return makeKernel([op, a = c.x[0], b = c.x[1], y = c.x[2].view(at::kBool)]() mutable { op(y, a, b); });
  };
}

// With a number for the second operand: it is never rounded to the first one's type.
Form withNumber(Binary op, const char* name) {
  return [=](const AtenCall& c) {
    Tensor value = at::scalar_tensor(c.number(name), at::kDouble);
    value.unsafeGetTensorImpl()->set_wrapped_number(true);
    const bool widens = roundsBetween(c.x[1], {c.x[0]});
    return makeKernel([=, x = c.x[0], y = c.x[1]]() mutable { widens ? op(y.copy_(x), y, value) : op(y, x, value); });
  };
}

std::unique_ptr<Kernel> power(const AtenCall& c) {
  const bool widens = roundsBetween(c.x[1], {c.x[0]});
  return makeKernel([x = c.x[0], y = c.x[1], exponent = at::Scalar(c.number("exponent")), widens]() mutable {
    at::pow_out(y, widens ? y.copy_(x) : x, exponent);
  });
}

std::unique_ptr<Kernel> cast(const AtenCall& c) {
  // Booleans are bytes that hold 0 or 1.
  if (c.x[1].scalar_type() == at::kByte && c.x[0].scalar_type() != at::kByte) return nullptr;
  return makeKernel([x = c.x[0], y = c.x[1]]() mutable { y.copy_(x); });
}

std::unique_ptr<Kernel> where(const AtenCall& c) {
  if (c.x[1].scalar_type() != c.x[3].scalar_type() || c.x[2].scalar_type() != c.x[3].scalar_type()) return nullptr;
  return makeKernel([condition = c.x[0].view(at::kBool), a = c.x[1], b = c.x[2], y = c.x[3]]() mutable {
    at::where_out(y, condition, a, b);
  });
}

std::unique_ptr<Kernel> sum(const AtenCall& c) {
  // The library converts what it reads to the type it is asked for: never to bf16 what is not.
  const auto type = c.x[1].scalar_type(), wide = isHalf(c.x[1]) ? (isHalf(c.x[0]) ? at::kFloat : c.x[0].scalar_type()) : type;
  if (c.accumulates()) return makeKernel([x = c.x[0], y = c.x[1], wide]() mutable { y.add_(at::sum(x, 1, false, wide)); });
  if (isHalf(c.x[1]) && !isHalf(c.x[0])) return makeKernel([x = c.x[0], y = c.x[1], wide]() mutable { y.copy_(at::sum(x, 1, false, wide)); });
  return makeKernel([x = c.x[0], y = c.x[1], type]() mutable { at::sum_out(y, x, 1, false, type); });
}

std::unique_ptr<Kernel> maximum(const AtenCall& c) {
  if (c.accumulates() || c.x[0].scalar_type() != c.x[1].scalar_type() || c.x[0].size(1) == 0) return nullptr;
  return makeKernel([x = c.x[0], y = c.x[1]]() mutable { at::amax_out(y, x, 1); });
}

std::unique_ptr<Kernel> sumSquares(const AtenCall& c) {
  const Tensor y = c.x[1].view({1});
  const auto type = y.scalar_type();
  if (c.x[0].scalar_type() != type && !isHalf(c.x[0])) return nullptr;
  return makeKernel([x = c.x[0], y = y, type, accumulates = c.accumulates()]() mutable {
    const Tensor norm = at::linalg_vector_norm(x, 2, 0, true, type);
    if (accumulates) y.addcmul_(norm, norm);
    else at::mul_out(y, norm, norm);
  });
}

std::unique_ptr<Kernel> iota(const AtenCall& c) {
  const int64_t start = int64_t(c.number("start"));
  return makeKernel([=, y = c.x[0]]() mutable { at::arange_out(y, start, start + y.size(0), 1); });
}

std::unique_ptr<Kernel> gelu(const AtenCall& c) {
  const Unary exact = [](Tensor& y, const Tensor& x) { at::gelu_out(y, x, "none"); };
  const Unary tanh = [](Tensor& y, const Tensor& x) { at::gelu_out(y, x, "tanh"); };
  return unary(c.number("exact") != 0 ? exact : tanh)(c);
}
std::unique_ptr<Kernel> geluBackward(const AtenCall& c) {
  const Binary exact = [](Tensor& dx, const Tensor& dy, const Tensor& x) { at::gelu_backward_out(dx, dy, x, "none"); };
  const Binary tanh = [](Tensor& dx, const Tensor& dy, const Tensor& x) { at::gelu_backward_out(dx, dy, x, "tanh"); };
  return binaryKernel(c.x[1], c.x[0], c.x[2], c.number("exact") != 0 ? exact : tanh);
}

// The result where it is wide enough to hold what is computed on the way, else a temporary.
Tensor room(const Tensor& y) { return isHalf(y) ? at::empty(y.sizes(), y.options().dtype(at::kFloat)) : y; }

std::unique_ptr<Kernel> swiglu(const AtenCall& c) {
  if (!isHalf(c.x[2]) && c.x[2].data_ptr() == c.x[1].data_ptr()) return nullptr;
  return makeKernel([gate = c.x[0], up = c.x[1], y = c.x[2]]() mutable {
    Tensor silu = room(y);
    at::silu_out(silu.copy_(gate), silu);
    at::mul_out(y, silu, up);
  });
}
std::unique_ptr<Kernel> swigluBackward(const AtenCall& c) {
  // What is computed on the way waits in the results, where they are wide: they must not be what is still read.
  for (size_t result = 3; result < 5; result++)
    for (size_t operand = 0; operand < 3; operand++)
      if (!isHalf(c.x[result]) && c.x[result].data_ptr() == c.x[operand].data_ptr()) return nullptr;
  return makeKernel([gate = c.x[0], up = c.x[1], dy = c.x[2], dGate = c.x[3], dUp = c.x[4]]() mutable {
    Tensor silu = room(dUp);
    at::silu_out(silu.copy_(gate), silu);
    at::mul_out(dUp, silu, dy);
    Tensor slope = isHalf(dGate) && isHalf(dUp) ? silu : room(dGate);
    at::mul_out(slope.copy_(dy), slope, up);
    at::silu_backward_out(dGate, slope, gate);
  });
}

#define FLOTILLA_INTO1(function) [](Tensor& y, const Tensor& x) { at::function(y, x); }
#define FLOTILLA_INTO2(function) [](Tensor& y, const Tensor& a, const Tensor& b) { at::function(y, a, b); }

const std::map<std::string, Form>& forms() {
  static const std::map<std::string, Form> table = {
      {"matmul", matmul},
      {"matmul_bias", matmul},
      {"attention", attention},
      {"attention_backward", attentionBackward},
      {"layer_norm", layerNorm},
      {"layer_norm_backward", layerNormBackward},
      {"softmax", softmax},
      {"softmax_backward", softmaxBackward},
      {"softmax_cross_entropy", crossEntropy},
      {"softmax_cross_entropy_backward", crossEntropyBackward},
      {"gather", gather},
      {"scatter_add", scatterAdd},
      {"adamw", adamw},
      {"adamw_cast", adamw},
      {"gelu", gelu},
      {"gelu_backward", geluBackward},
      {"silu", unary(FLOTILLA_INTO1(silu_out))},
      {"silu_backward", [](const AtenCall& c) {
         return binaryKernel(c.x[1], c.x[0], c.x[2], FLOTILLA_INTO2(silu_backward_out));
       }},
      {"swiglu", swiglu},
      {"swiglu_backward", swigluBackward},
      {"add", binary(FLOTILLA_INTO2(add_out))},
      {"sub", binary(FLOTILLA_INTO2(sub_out))},
      {"mul", binary(FLOTILLA_INTO2(mul_out))},
      {"div", binary(FLOTILLA_INTO2(div_out))},
      {"max", binary(FLOTILLA_INTO2(maximum_out))},
      {"min", binary(FLOTILLA_INTO2(minimum_out))},
      {"eq", comparison(FLOTILLA_INTO2(eq_out))},
      {"ge", comparison(FLOTILLA_INTO2(ge_out))},
      {"gt", comparison(FLOTILLA_INTO2(gt_out))},
      {"lt", comparison(FLOTILLA_INTO2(lt_out))},
      {"le", comparison(FLOTILLA_INTO2(le_out))},
      {"where", where},
      {"cast", cast},
      {"neg", unary(FLOTILLA_INTO1(neg_out))},
      {"exp", unary(FLOTILLA_INTO1(exp_out))},
      {"log", unary(FLOTILLA_INTO1(log_out))},
      {"sqrt", unary(FLOTILLA_INTO1(sqrt_out))},
      {"rsqrt", unary(FLOTILLA_INTO1(rsqrt_out))},
      {"tanh", unary(FLOTILLA_INTO1(tanh_out))},
      {"sigmoid", unary(FLOTILLA_INTO1(sigmoid_out))},
      {"relu", unary([](Tensor& y, const Tensor& x) { at::clamp_min_out(y, x, 0); })},
      {"square", unary([](Tensor& y, const Tensor& x) { at::mul_out(y, x, x); })},
      {"reciprocal", unary(FLOTILLA_INTO1(reciprocal_out))},
      {"cos", unary(FLOTILLA_INTO1(cos_out))},
      {"sin", unary(FLOTILLA_INTO1(sin_out))},
      {"abs", unary(FLOTILLA_INTO1(abs_out))},
      {"erf", unary(FLOTILLA_INTO1(erf_out))},
      {"scale", withNumber(FLOTILLA_INTO2(mul_out), "factor")},
      {"add_scalar", withNumber(FLOTILLA_INTO2(add_out), "value")},
      {"pow", power},
      {"iota", iota},
      {"sum", sum},
      {"max_reduce", maximum},
      {"sum_squares", sumSquares},
  };
  return table;
}

#undef FLOTILLA_INTO1
#undef FLOTILLA_INTO2

}  // namespace
}  // namespace library

std::unique_ptr<Kernel> makeLibraryKernel(const KernelCall& call) {
  const auto form = library::forms().find(call.kernel);
  if (form != library::forms().end())
    if (auto kernel = form->second(atenCall(call))) return kernel;
  if (call.device == "cpu") misfit(call, "the library has no kernel on the CPU for this call");
  return makeAtenKernel(call);
}

}  // namespace flotilla
