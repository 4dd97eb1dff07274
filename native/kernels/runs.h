// Runs of elements of any type, along one stride: widened into a buffer of the type that is computed in, and narrowed again.
#pragma once

#include "support.h"

namespace flotilla {

// IEEE 754 half precision. Rounds to nearest even; NaN stays NaN.
struct f16 {
  uint16_t bits;
};

inline float widen(const f16& x) {
  const uint32_t sign = uint32_t(x.bits & 0x8000) << 16, exponent = (x.bits >> 10) & 31, fraction = x.bits & 0x3ff;
  if (exponent == 0) return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(float(fraction) * 0x1p-24f));
  return std::bit_cast<float>(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13);
}
template <>
struct Narrow<f16> {
  static f16 from(float x) {
    const uint32_t u = std::bit_cast<uint32_t>(x), sign = (u >> 16) & 0x8000, magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) return f16{uint16_t(sign | 0x7e00)};
    if (magnitude >= 0x477ff000) return f16{uint16_t(sign | 0x7c00)};  // 65,520 and above
    // Below 2^-14 the spacing is 2^-24: adding 2^-1 · 2^0 leaves the fraction in the last bits, rounded.
    if (magnitude < 0x38800000)
      return f16{uint16_t(sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000))};
    return f16{uint16_t(sign | ((magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13))};
  }
  static f16 from(double x) { return from(float(x)); }
};

template <class T, class A>
FLOTILLA_INLINE inline A widenTo(T x) {
  if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>) return A(widen(x));
  else return A(x);
}

template <class T, class A>
void load(const T* from, int64_t stride, int64_t n, A* to) {
  vectorised([&]() FLOTILLA_INLINE {
    if (stride == 1) {
#pragma omp simd
      for (int64_t i = 0; i < n; i++) to[i] = widenTo<T, A>(from[i]);
    } else if (stride == 0) {
      const A value = widenTo<T, A>(*from);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) to[i] = value;
    } else {
      for (int64_t i = 0; i < n; i++) to[i] = widenTo<T, A>(from[i * stride]);
    }
  });
}

template <class T, class A>
void store(const A* from, int64_t n, T* to, int64_t stride) {
  if (stride == 1 && std::is_same_v<T, bf16>) return narrowRun(from, to, n);
  vectorised([&]() FLOTILLA_INLINE {
    if (stride == 1) {
#pragma omp simd
      for (int64_t i = 0; i < n; i++) to[i] = narrow<T>(from[i]);
    } else {
      for (int64_t i = 0; i < n; i++) to[i * stride] = narrow<T>(from[i]);
    }
  });
}

// Booleans are bytes that hold 0 or 1: anything but zero is true.
template <class A>
void store(const A* from, int64_t n, uint8_t* to, int64_t stride) {
  for (int64_t i = 0; i < n; i++) to[i * stride] = from[i] != A(0);
}

// One operand: where it is, how it is read or written.
struct Port {
  char* data;
  DType dtype;
  int64_t bytes;
};

// n elements from `at`, `stride` apart, as A: in place where they lie so already, else in the buffer.
template <class A>
const A* fetch(const Port& port, const char* at, int64_t stride, int64_t n, A* buffer) {
  if (port.dtype == dtypeOf<A> && stride == 1) return reinterpret_cast<const A*>(at);
  switch (port.dtype) {
    case DType::f64: load(reinterpret_cast<const double*>(at), stride, n, buffer); break;
    case DType::f32: load(reinterpret_cast<const float*>(at), stride, n, buffer); break;
    case DType::bf16: load(reinterpret_cast<const bf16*>(at), stride, n, buffer); break;
    case DType::f16: load(reinterpret_cast<const f16*>(at), stride, n, buffer); break;
    case DType::i64: load(reinterpret_cast<const int64_t*>(at), stride, n, buffer); break;
    case DType::i32: load(reinterpret_cast<const int32_t*>(at), stride, n, buffer); break;
    default: load(reinterpret_cast<const uint8_t*>(at), stride, n, buffer); break;
  }
  return buffer;
}

template <class A>
void deliver(const Port& port, const A* from, int64_t n, char* at, int64_t stride) {
  switch (port.dtype) {
    case DType::f64: return store(from, n, reinterpret_cast<double*>(at), stride);
    case DType::f32: return store(from, n, reinterpret_cast<float*>(at), stride);
    case DType::bf16: return store(from, n, reinterpret_cast<bf16*>(at), stride);
    case DType::f16: return store(from, n, reinterpret_cast<f16*>(at), stride);
    case DType::i64: return store(from, n, reinterpret_cast<int64_t*>(at), stride);
    case DType::i32: return store(from, n, reinterpret_cast<int32_t*>(at), stride);
    default: return store(from, n, reinterpret_cast<uint8_t*>(at), stride);
  }
}

}  // namespace flotilla
