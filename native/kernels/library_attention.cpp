// attention and its backward by the library's fused kernels, which exist on CUDA alone: flash attention (Dao 2023) for bf16 and
// f16, memory-efficient attention (Rabe & Staats 2021; xFormers) for f32. No s × t buffer.
//   ours:        q, o[b s h d], k, v[b t g d], logsumexp[b s h] of scale · q kᵀ, natural logarithm
//   the library: the same q, k, v, o by strides; logsumexp[b h s], the memory-efficient kernels with s rounded up to 32
// Taken are calls that are not causal, or causal over one range of positions (s = t, query_start = key_start), without a window and
// without optional operands: there the library's alignments of the causal diagonal agree and every row sees a key, so that no logsumexp
// is infinite (the library's own of an empty row is +∞ or 0).
// The backward is asked for its deterministic form: dq then has one sum for each of a few splits of the keys, added in order.
// Allocates: o (or dq, dk, dv) and logsumexp once more, as the library's functions have no out form in every torch that we build
// against; flash backward ceil(SMs / (b·h)) times dq in f32; grouped heads dk and dv for each query head; f32 with grouped heads
// k and v for each query head.
#include <ATen/Context.h>
#include <ATen/ops/_efficient_attention_backward.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <limits>
#include <mutex>

#include "attention_operands.h"
#include "library.h"

namespace flotilla::library {

namespace {

enum class Fused { none, flash, efficient };

// Loads are of 16 bytes: addresses, rows and heads must lie on such boundaries.
bool aligned(const Tensor& x) {
  const int64_t elements = 16 / x.element_size();
  bool fits = reinterpret_cast<uintptr_t>(x.data_ptr()) % 16 == 0 && x.stride(3) == 1;
  for (int64_t d = 0; d < 3; d++) fits = fits && (x.size(d) == 1 || x.stride(d) % elements == 0);
  return fits;
}

Fused fusedFor(const AtenCall& c) {
  const Tensor &q = c.x[0], &k = c.x[1], &v = c.x[2];
  if (c.onCpu() || q.numel() == 0 || k.numel() == 0) return Fused::none;
  const bool square = q.size(1) == k.size(1) && c.number("query_start") == c.number("key_start");
  if ((c.number("causal") != 0 && !square) || c.number("window") != 0) return Fused::none;
  if (AttentionOperands([&](const char* name) { return c.number(name) != 0; }).rest > 3) return Fused::none;
  if (!aligned(q) || !aligned(k) || !aligned(v)) return Fused::none;
  const int64_t d = q.size(3);
  if (isHalf(q)) return d % 8 == 0 && d <= 256 ? Fused::flash : Fused::none;
  return q.scalar_type() == at::kFloat && d % 4 == 0 ? Fused::efficient : Fused::none;
}

// One key and value head for each query head, as the memory-efficient kernels want them.
Tensor ungrouped(const Tensor& x, int64_t heads) {
  if (x.size(2) == heads) return x;
  return x.unsqueeze(3).expand({-1, -1, -1, heads / x.size(2), -1}).reshape({x.size(0), x.size(1), heads, x.size(3)});
}
Tensor perGroup(const Tensor& x, int64_t groups) {
  return x.size(2) == groups ? x : x.unflatten(2, {groups, -1}).sum(3);
}

// The process's switch, on while it lives: the kernels ask it as they are launched. Other kernels refuse to run under it, so a
// process has one thread that launches on GPUs.
class Deterministic {
 public:
  Deterministic() : lock_(mutex()) {
    auto& context = at::globalContext();
    was_ = context.deterministicAlgorithms();
    warned_ = context.deterministicAlgorithmsWarnOnly();
    filled_ = context.deterministicFillUninitializedMemory();
    context.setDeterministicFillUninitializedMemory(false);
    context.setDeterministicAlgorithms(true, false);
  }
  ~Deterministic() {
    at::globalContext().setDeterministicAlgorithms(was_, warned_);
    at::globalContext().setDeterministicFillUninitializedMemory(filled_);
  }
  Deterministic(const Deterministic&) = delete;
  Deterministic& operator=(const Deterministic&) = delete;

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  std::lock_guard<std::mutex> lock_;
  bool was_, warned_, filled_;
};

constexpr int64_t noMask = 0, causalMask = 1;  // sdp::CustomMaskType

}  // namespace

std::unique_ptr<Kernel> attention(const AtenCall& c) {
  const Fused fused = fusedFor(c);
  if (fused == Fused::none) return nullptr;
  const bool causal = c.number("causal") != 0;
  const double scale = c.number("scale");
  const int64_t s = c.x[0].size(1), t = c.x[1].size(1), h = c.x[0].size(2);
  return makeKernel([=, q = c.x[0], k = c.x[1], v = c.x[2], o = c.x[3], logsumexp = c.x[4].transpose(1, 2)]() mutable {
    if (fused == Fused::flash) {
      const auto results = at::_flash_attention_forward(q, k, v, {}, {}, s, t, 0.0, causal, false, scale);
      o.copy_(std::get<0>(results));
      logsumexp.copy_(std::get<1>(results));
    } else {
      const auto results = at::_efficient_attention_forward(q, ungrouped(k, h), ungrouped(v, h), {}, {}, {}, s, t, 0.0,
                                                            causal ? causalMask : noMask, true, scale);
      o.copy_(std::get<0>(results));
      logsumexp.copy_(std::get<1>(results).narrow(2, 0, s));
    }
  });
}

std::unique_ptr<Kernel> attentionBackward(const AtenCall& c) {
  const Fused fused = fusedFor(c);
  if (fused == Fused::none || !aligned(c.x[3]) || !aligned(c.x[5])) return nullptr;
  const bool causal = c.number("causal") != 0;
  const double scale = c.number("scale");
  const int64_t b = c.x[0].size(0), s = c.x[0].size(1), t = c.x[1].size(1), h = c.x[0].size(2), g = c.x[1].size(2);
  // The state of a random generator, which nothing reads without dropout.
  const auto seeds = c.x[0].options().dtype(fused == Fused::flash ? at::kUInt64 : at::kLong);
  const Tensor seed = fused == Fused::flash ? at::empty({2}, seeds) : at::empty({}, seeds.device(at::kCPU));
  const Tensor offset = at::empty({}, fused == Fused::flash ? seeds : seeds.device(at::kCPU));
  return makeKernel([=, q = c.x[0], k = c.x[1], v = c.x[2], o = c.x[3], logsumexp = c.x[4].transpose(1, 2), dO = c.x[5],
                     dq = c.x[6], dk = c.x[7], dv = c.x[8]]() mutable {
    const Deterministic deterministic;
    if (fused == Fused::flash) {
      const auto results = at::_flash_attention_backward(dO, q, k, v, o, logsumexp.contiguous(), {}, {}, s, t, 0.0, causal, seed,
                                                         offset, scale);
      dq.copy_(std::get<0>(results));
      dk.copy_(std::get<1>(results));
      dv.copy_(std::get<2>(results));
    } else {
      // Rows that only fill up weigh nothing: exp(x − ∞).
      Tensor padded = at::full({b, h, (s + 31) / 32 * 32}, std::numeric_limits<double>::infinity(), logsumexp.options());
      padded.narrow(2, 0, s).copy_(logsumexp);
      const auto results =
          at::_efficient_attention_backward(dO, q, ungrouped(k, h), ungrouped(v, h), {}, o, {}, {}, s, t, padded, 0.0, seed, offset,
                                            causal ? causalMask : noMask, false, scale, 1);
      dq.copy_(std::get<0>(results));
      dk.copy_(perGroup(std::get<1>(results), g));
      dv.copy_(perGroup(std::get<2>(results), g));
    }
  });
}

}  // namespace flotilla::library
