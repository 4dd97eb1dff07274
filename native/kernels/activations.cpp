// gelu:    y = x·Φ(x) (exact=1), or its tanh form x·σ(2u), u = √(2/π)·(x + 0.044715·x³)      (Hendrycks & Gimpel 2016)
// silu:    y = x·σ(x)                                                                       (Elfwing et al. 2017)
// swiglu:  y = silu(gate)·up                                                                (Shazeer 2020, arXiv:2002.05202)
// and their backwards, each recomputing from the inputs: gelu_backward(x, dy), silu_backward(x, dy),
// swiglu_backward(gate, up, dy -> dgate, dup). Element by element: types, strides and aliasing as in elementwise.h.
#include "elementwise.h"

namespace flotilla {

namespace {

constexpr double rootTwoOverPi = 0.79788456080286535588, cubic = 0.044715;

template <class A>
FLOTILLA_INLINE inline A geluTanh(A x) {
  const A u = x * (A(rootTwoOverPi) + A(rootTwoOverPi * cubic) * x * x);
  return x * quickSigmoid(2 * u);
}
template <class A>
FLOTILLA_INLINE inline A geluTanhSlope(A x) {
  const A u = x * (A(rootTwoOverPi) + A(rootTwoOverPi * cubic) * x * x), s = quickSigmoid(2 * u);
  const A slope = A(rootTwoOverPi) + A(3 * rootTwoOverPi * cubic) * x * x;
  return s + x * s * (1 - s) * 2 * slope;
}
template <class A>
A geluErf(A x) {
  return x * A(0.5) * std::erfc(-x * A(0.70710678118654752440));
}
template <class A>
A geluErfSlope(A x) {
  return A(0.5) * std::erfc(-x * A(0.70710678118654752440)) + x * A(0.39894228040143267794) * std::exp(-x * x / 2);
}

template <class A>
void gelu(const A* const* in, A* const* out, int64_t n, const A* parameters) {
  const A* x = in[0];
  A* y = out[0];
  if (parameters[0] != A(0)) {
    for (int64_t i = 0; i < n; i++) y[i] = geluErf(x[i]);
    return;
  }
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = geluTanh(x[i]);
  });
}

template <class A>
void geluBackward(const A* const* in, A* const* out, int64_t n, const A* parameters) {
  const A *x = in[0], *dy = in[1];
  A* dx = out[0];
  if (parameters[0] != A(0)) {
    for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * geluErfSlope(x[i]);
    return;
  }
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * geluTanhSlope(x[i]);
  });
}

template <class A>
FLOTILLA_INLINE inline A siluSlope(A x) {
  const A s = quickSigmoid(x);
  return s * (1 + x * (1 - s));
}

template <class A>
void silu(const A* const* in, A* const* out, int64_t n, const A*) {
  const A* x = in[0];
  A* y = out[0];
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * quickSigmoid(x[i]);
  });
}

template <class A>
void siluBackward(const A* const* in, A* const* out, int64_t n, const A*) {
  const A *x = in[0], *dy = in[1];
  A* dx = out[0];
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * siluSlope(x[i]);
  });
}

template <class A>
void swiglu(const A* const* in, A* const* out, int64_t n, const A*) {
  const A *gate = in[0], *up = in[1];
  A* y = out[0];
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = gate[i] * quickSigmoid(gate[i]) * up[i];
  });
}

template <class A>
void swigluBackward(const A* const* in, A* const* out, int64_t n, const A*) {
  const A *gate = in[0], *up = in[1], *dy = in[2];
  A *dgate = out[0], *dup = out[1];
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      const A x = gate[i], u = up[i], d = dy[i];
      dgate[i] = d * u * siluSlope(x);
      dup[i] = d * x * quickSigmoid(x);
    }
  });
}

#define FLOTILLA_ACTIVATION(function, symbol, inputs, outputs, ...)                                          \
  std::unique_ptr<Kernel> function##Kernel(const KernelCall& call) {                                         \
    static const ElementOp op{symbol, inputs, outputs, function<float>, function<double>, {}, {__VA_ARGS__}}; \
    return makeElementwise(call, op);                                                                        \
  }                                                                                                          \
  const KernelRegistration function##Registration{symbol, byDevice<function##Kernel>};

FLOTILLA_ACTIVATION(gelu, "gelu", 1, 1, {"exact", 0.0})
FLOTILLA_ACTIVATION(geluBackward, "gelu_backward", 2, 1, {"exact", 0.0})
FLOTILLA_ACTIVATION(silu, "silu", 1, 1)
FLOTILLA_ACTIVATION(siluBackward, "silu_backward", 2, 1)
FLOTILLA_ACTIVATION(swiglu, "swiglu", 2, 1)
FLOTILLA_ACTIVATION(swigluBackward, "swiglu_backward", 3, 2)

}  // namespace
}  // namespace flotilla
