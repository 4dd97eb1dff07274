// Norms, softmax and cross-entropy along rows, x[t c] or logits[t v].
//   layer_norm(_backward)             native_layer_norm(_backward). Its statistics have the accumulator's type for f32 and f64, and on
//                                     CUDA for bf16 with bf16 weights; other mixtures are computed on f32 copies.
//   softmax(_backward)                _softmax_out, _softmax_backward_data_out, sums in f32 inside
//   softmax_cross_entropy(_backward)  in-place operations on one f32 temporary
// Allocates: layer_norm y, mean and rstd once more, its backward dx, dweight and dbias (neither has a true out form), and an f32 copy
// of each bf16 operand where types are mixed; cross-entropy t·v·4 bytes, its backward as much for bf16, nothing for f32.
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>

#include <array>

#include "library.h"

namespace flotilla::library {

namespace {

bool sameType(std::initializer_list<Tensor> list) {
  for (const Tensor& x : list)
    if (x.scalar_type() != list.begin()->scalar_type()) return false;
  return true;
}

// A label's place in its row, and whether it lies there. Both [t 1].
struct Labels {
  Tensor index, inside;
};
Labels labelsOf(const Tensor& labels, int64_t origin, int64_t v) {
  Tensor index = labels.to(at::kLong).sub(origin).unsqueeze(1);  // never the labels themselves, which are i64 where a caller has them so
  const Tensor inside = (index >= 0).logical_and_(index < v);
  return {index.clamp_(0, v - 1), inside};
}

}  // namespace

std::unique_ptr<Kernel> layerNorm(const AtenCall& c) {
  const double eps = c.number("eps");
  const bool direct = sameType({c.x[0], c.x[1], c.x[2]}) && !(isHalf(c.x[0]) && c.onCpu());
  return makeKernel([=, x = c.x[0], weight = c.x[1], bias = c.x[2], y = c.x[3], mean = c.x[4], rstd = c.x[5]]() mutable {
    const auto in = [&](const Tensor& value) { return direct ? value : AtenCall::widened(value); };
    const auto results = at::native_layer_norm(in(x), {x.size(1)}, in(weight), in(bias), eps);
    y.copy_(std::get<0>(results));
    mean.copy_(std::get<1>(results).view_as(mean));
    rstd.copy_(std::get<2>(results).view_as(rstd));
  });
}

std::unique_ptr<Kernel> layerNormBackward(const AtenCall& c) {
  // The gradients of weight and bias are asked for in their own type: in f32 they are never rounded to bf16.
  const bool direct = sameType({c.x[0], c.x[1], c.x[4], c.x[6], c.x[7]}) && !(isHalf(c.x[0]) && c.onCpu());
  return makeKernel([=, x = c.x[0], weight = c.x[1], mean = c.x[2].unsqueeze(1), rstd = c.x[3].unsqueeze(1), dy = c.x[4],
                     dx = c.x[5], dweight = c.x[6], dbias = c.x[7]]() mutable {
    const auto in = [&](const Tensor& value) { return direct ? value : AtenCall::widened(value); };
    const Tensor scale = in(weight);
    const auto results = at::native_layer_norm_backward(in(dy), in(x), {x.size(1)}, mean, rstd, scale, scale, {true, true, true});
    dx.copy_(std::get<0>(results));
    dweight.copy_(std::get<1>(results));
    dbias.copy_(std::get<2>(results));
  });
}

std::unique_ptr<Kernel> softmax(const AtenCall& c) {
  if (!c.x[1].is_contiguous()) return nullptr;
  return makeKernel([x = c.x[0], y = c.x[1]]() mutable { at::_softmax_out(y, x, 1, false); });
}

std::unique_ptr<Kernel> softmaxBackward(const AtenCall& c) {
  if (!c.x[2].is_contiguous()) return nullptr;
  return makeKernel([y = c.x[0], dy = c.x[1], dx = c.x[2]]() mutable {
    at::_softmax_backward_data_out(dx, dy, y, 1, y.scalar_type());
  });
}

std::unique_ptr<Kernel> crossEntropy(const AtenCall& c) {
  const int64_t origin = int64_t(c.number("origin"));
  if (c.x[0].size(1) == 0) return nullptr;
  return makeKernel([=, x = c.x[0], labels = c.x[1], loss = c.x[2], logsumexp = c.x[3]]() mutable {
    // A row of −∞ alone is left where it is, so that no ∞ − ∞ arises.
    Tensor maximum = x.amax(1, true).to(logsumexp.scalar_type());
    maximum.masked_fill_(maximum.isinf(), 0);
    Tensor exponentials = at::empty(x.sizes(), logsumexp.options());
    at::sub_out(exponentials, x, maximum).exp_();
    at::sum_out(logsumexp, exponentials, 1);
    logsumexp.log_().add_(maximum.squeeze(1));
    const Labels place = labelsOf(labels, origin, x.size(1));
    const Tensor chosen = x.gather(1, place.index).masked_fill_(place.inside.logical_not(), 0);
    at::sub_out(loss, logsumexp, chosen.squeeze(1));
  });
}

std::unique_ptr<Kernel> crossEntropyBackward(const AtenCall& c) {
  const int64_t origin = int64_t(c.number("origin"));
  const bool inPlace = c.x[4].scalar_type() == c.x[2].scalar_type();
  return makeKernel([=, x = c.x[0], labels = c.x[1], logsumexp = c.x[2].unsqueeze(1), dloss = c.x[3].unsqueeze(1),
                     dx = c.x[4]]() mutable {
    Tensor slope = inPlace ? dx : at::empty(x.sizes(), logsumexp.options());
    at::sub_out(slope, x, logsumexp).exp_();
    // One place a row: no two rows add to one, so the order of additions is no matter.
    const Labels place = labelsOf(labels, origin, x.size(1));
    slope.scatter_add_(1, place.index, place.inside.to(slope.scalar_type()).neg_());
    at::mul_out(dx, slope, dloss);
  });
}

}  // namespace flotilla::library
