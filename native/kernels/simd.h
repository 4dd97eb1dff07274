// Number formats, wide loops and threads: what every kernel here is built from.
//
// A wide loop is ordinary C++ marked `#pragma omp simd`, written inside `vectorised([&] FLOTILLA_INLINE { … })`. The body is
// compiled twice, for the baseline and for AVX-512, and the machine's features choose at run time; so there is one text, a
// portable one. Only matrix products (gemm.h) spell their instructions out. Loops use AVX-512's instructions on 256-bit
// registers: with 512, GCC 12 leaves reductions over bf16 scalar, and these loops wait for memory anyway. A bound or pointer
// that a loop uses should be a parameter or a local: through a capture or a member it is read anew each turn, which keeps the
// loop scalar (-fopt-info-vec-optimized tells).
#pragma once

#include <omp.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#if defined(__x86_64__) && defined(__GNUC__)
#define FLOTILLA_X86 1
#define FLOTILLA_WIDE \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,prefer-vector-width=256")))
#else
#define FLOTILLA_X86 0
#define FLOTILLA_WIDE
#endif

// After a lambda's parameter list, or before an inline function: it must melt into the loop around it.
#define FLOTILLA_INLINE __attribute__((always_inline))

#if FLOTILLA_X86
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"        // GCC 12 warns of its own _mm512_undefined_*
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace flotilla {

// The upper half of an f32. Rounds to nearest even; NaN stays NaN.
struct bf16 {
  uint16_t bits;
};

FLOTILLA_INLINE inline float widen(const bf16& x) { return std::bit_cast<float>(uint32_t(x.bits) << 16); }
FLOTILLA_INLINE inline float widen(float x) { return x; }
FLOTILLA_INLINE inline double widen(double x) { return x; }
FLOTILLA_INLINE inline int64_t widen(int32_t x) { return x; }
FLOTILLA_INLINE inline int64_t widen(int64_t x) { return x; }

template <class T>
struct Narrow {
  template <class A>
  FLOTILLA_INLINE static T from(A x) { return T(x); }
};
template <>
struct Narrow<bf16> {
  FLOTILLA_INLINE static bf16 from(float x) {
    const uint32_t u = std::bit_cast<uint32_t>(x);
    const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    return bf16{uint16_t(x != x ? ((u >> 16) | 0x40) : rounded)};
  }
  FLOTILLA_INLINE static bf16 from(double x) { return from(float(x)); }
};
template <class T, class A>
FLOTILLA_INLINE inline T narrow(A x) { return Narrow<T>::from(x); }

// The type a sum over T is carried in.
template <class T>
struct AccumulatorOf {
  using type = float;
};
template <>
struct AccumulatorOf<double> {
  using type = double;
};
template <>
struct AccumulatorOf<int32_t> {
  using type = int64_t;
};
template <>
struct AccumulatorOf<int64_t> {
  using type = int64_t;
};
template <class T>
using Accumulator = typename AccumulatorOf<T>::type;

// Does this machine run the AVX-512 bodies (Zen 4, Cooper Lake and later)?
inline bool hasWide() {
#if FLOTILLA_X86
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("fma");
  return has;
#else
  return false;
#endif
}

template <class Body>
FLOTILLA_WIDE void runWide(const Body& body) { body(); }
template <class Body>
void runNarrow(const Body& body) { body(); }

template <class Body>
inline void vectorised(const Body& body) {
  if (hasWide()) runWide(body);
  else runNarrow(body);
}

// Tasks in any order on any thread: a result must not depend on who computed what.
// On one thread no parallel region is opened (libgomp would allocate a team for it), nor for work too small to share.
template <class Body>
inline void parallelTasks(int64_t tasks, const Body& body, bool worthwhile = true) {
  if (tasks <= 1 || !worthwhile || omp_get_max_threads() == 1 || omp_in_parallel()) {
    for (int64_t i = 0; i < tasks; i++) body(i);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t i = 0; i < tasks; i++) body(i);
}

// [0, n) in blocks of `block`, each block one task: body(begin, end).
template <class Body>
inline void parallelBlocks(int64_t n, int64_t block, const Body& body) {
  parallelTasks((n + block - 1) / block, [&](int64_t i) { body(i * block, i * block + block < n ? i * block + block : n); });
}

constexpr int64_t roundUp(int64_t x, int64_t y) { return (x + y - 1) / y * y; }
constexpr int64_t roundDown(int64_t x, int64_t y) { return x / y * y; }
constexpr int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }

// e^x to about 1 ulp, without branches so that loops of it become wide: e^x = 2^n · e^r, |r| ≤ ln2/2, e^r a polynomial
// (Cephes). Exact at 0; below −87.3 it is 0, above 88.7 infinity, NaN stays NaN.
FLOTILLA_INLINE inline float expOf(float x) {
  const float clamped = x < -104.f ? -104.f : (x > 89.f ? 89.f : x);
  const float shifted = clamped * 1.44269504088896341f + 12582912.f;  // 1.5·2^23: adding it rounds to an integer
  const float n = shifted - 12582912.f;
  float r = clamped - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.f);
  // 2^n in two factors, so that n = 128 and the subnormals come out right.
  const int32_t whole = int32_t(n);
  const int32_t half = whole >> 1;
  const float a = std::bit_cast<float>((half + 127) << 23);
  const float b = std::bit_cast<float>((whole - half + 127) << 23);
  return p * a * b;
}
FLOTILLA_INLINE inline double expOf(double x) { return std::exp(x); }

// 2^x for x ≤ 0 (and a little above), to about 2 ulp: half the work of expOf, for probabilities. 0 from −127 down; NaN stays NaN.
FLOTILLA_INLINE inline float exp2Of(float x) {
  const float clamped = x < -127.f ? -127.f : x;
  const float shifted = clamped + 12582912.f;
  const float f = clamped - (shifted - 12582912.f);
  float p = 1.535336188319500e-4f;
  p = p * f + 1.339887440266574e-3f;
  p = p * f + 9.618437357674640e-3f;
  p = p * f + 5.550332471162809e-2f;
  p = p * f + 2.402264791363012e-1f;
  p = p * f + 6.931472028550421e-1f;
  p = p * f + 1.f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(p) + (std::bit_cast<uint32_t>(shifted) << 23));  // p·2^n
}
FLOTILLA_INLINE inline double exp2Of(double x) { return std::exp2(x); }
inline constexpr double log2e = 1.44269504088896340736;

// 1 / (1 + e^−x)
template <class A>
FLOTILLA_INLINE inline A sigmoidOf(A x) { return A(1) / (A(1) + expOf(-x)); }

// The same to about |x| ulp, for activations, where what multiplies it is then as small: 1 / (1 + 2^(−x·log2 e)).
FLOTILLA_INLINE inline float quickSigmoid(float x) {
  const float power = x * float(-log2e);
  return 1.f / (1.f + exp2Of(power > 127.f ? 127.f : power));
}
FLOTILLA_INLINE inline double quickSigmoid(double x) { return sigmoidOf(x); }

#if FLOTILLA_X86
FLOTILLA_WIDE inline void narrowRunWide(const float* from, bf16* to, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i >= 16 ? 0xffff : __mmask16((1u << (n - i)) - 1);
    const __m512 x = _mm512_maskz_loadu_ps(mask, from + i);
    _mm256_mask_storeu_epi16(to + i, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
  }
}
#endif

// A contiguous run, narrowed: one instruction for 16 bf16 where the machine has it (subnormals then become 0).
template <class T, class A>
inline void narrowRun(const A* from, T* to, int64_t n) {
#if FLOTILLA_X86
  if constexpr (std::is_same_v<T, bf16> && std::is_same_v<A, float>)
    if (hasWide()) return narrowRunWide(from, to, n);
#endif
  for (int64_t i = 0; i < n; i++) to[i] = narrow<T>(from[i]);
}

}  // namespace flotilla
