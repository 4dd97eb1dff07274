// Arithmetic, comparison, selection and casts, element by element (elementwise.h says how operands are read and written).
//   add sub mul div max min   y = a ∘ b             eq ge gt lt le      y = a ∘ b ? 1 : 0, NaN compares false
//   add_n                     y = Σ operands        where               y = condition ? a : b
//   neg exp log sqrt rsqrt tanh sigmoid relu square reciprocal cos sin abs erf, cast
//   scale {factor}, add_scalar {value}, pow {exponent}
//   fixed_point {shift, most}       y = (x + shift) − shift, infinite where |x| > most: x on the grid of shift's last bit
//   fixed_point_add {shift, most}   y = b + the same of a; b may be y. Both into f64: ops/fixed_point.ts
// max and min give NaN where either side is NaN. bf16 is computed in f32 and rounded once. Casts to integers truncate.
// In place on any operand with the very same view. No workspace, no allocation; bytes = what the operands hold.
#include "elementwise.h"

namespace flotilla {

namespace {

#define FLOTILLA_UNARY(function, expression)                                          \
  template <class A>                                                                  \
  void function(const A* const* in, A* const* out, int64_t n, const A* parameters) {  \
    const A* a = in[0];                                                               \
    A* y = out[0];                                                                    \
    (void)parameters;                                                                 \
    vectorised([&]() FLOTILLA_INLINE {                                                \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                           \
        const A x = a[i];                                                             \
        y[i] = expression;                                                            \
      }                                                                               \
    });                                                                               \
  }

#define FLOTILLA_BINARY(function, expression)                                         \
  template <class A>                                                                  \
  void function(const A* const* in, A* const* out, int64_t n, const A*) {             \
    const A *a = in[0], *b = in[1];                                                   \
    A* z = out[0];                                                                    \
    vectorised([&]() FLOTILLA_INLINE {                                                \
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) {                           \
        const A x = a[i], y = b[i];                                                   \
        z[i] = expression;                                                            \
      }                                                                               \
    });                                                                               \
  }

template <class A>
FLOTILLA_INLINE inline A tanhOf(A x) {
  return A(1) - A(2) / (A(1) + expOf(2 * x));
}
template <>
FLOTILLA_INLINE inline double tanhOf(double x) {
  return std::tanh(x);
}
// 1 − 2/(1 + e^2x) loses its digits near 0; there the odd series is exact to f32.
template <>
FLOTILLA_INLINE inline float tanhOf(float x) {
  const float s = x * x;
  const float series = x * (1 + s * (-1.f / 3 + s * (2.f / 15 + s * (-17.f / 315 + s * (62.f / 2835)))));
  const float far = 1 - 2 / (1 + expOf(2 * x));
  return s < 0.0625f ? series : far;
}

FLOTILLA_UNARY(identity, x)
FLOTILLA_UNARY(negative, -x)
FLOTILLA_UNARY(exponential, expOf(x))
FLOTILLA_UNARY(logarithm, std::log(x))
FLOTILLA_UNARY(root, std::sqrt(x))
FLOTILLA_UNARY(reciprocalRoot, A(1) / std::sqrt(x))
FLOTILLA_UNARY(hyperbolicTangent, tanhOf(x))
FLOTILLA_UNARY(logistic, sigmoidOf(x))
FLOTILLA_UNARY(positivePart, x < A(0) ? A(0) : x)
FLOTILLA_UNARY(squared, x* x)
FLOTILLA_UNARY(inverse, A(1) / x)
FLOTILLA_UNARY(cosine, std::cos(x))
FLOTILLA_UNARY(sine, std::sin(x))
FLOTILLA_UNARY(magnitude, std::abs(x))
FLOTILLA_UNARY(errorFunction, std::erf(x))
FLOTILLA_UNARY(scaled, x* parameters[0])
FLOTILLA_UNARY(shifted, x + parameters[0])
FLOTILLA_UNARY(power, std::pow(x, parameters[0]))

FLOTILLA_BINARY(sum, x + y)
FLOTILLA_BINARY(difference, x - y)
FLOTILLA_BINARY(product, x* y)
FLOTILLA_BINARY(quotient, x / y)
FLOTILLA_BINARY(larger, x > y || x != x ? x : y)
FLOTILLA_BINARY(smaller, x < y || x != x ? x : y)
FLOTILLA_BINARY(equal, x == y ? A(1) : A(0))
FLOTILLA_BINARY(notLess, x >= y ? A(1) : A(0))
FLOTILLA_BINARY(greater, x > y ? A(1) : A(0))
FLOTILLA_BINARY(less, x < y ? A(1) : A(0))
FLOTILLA_BINARY(notGreater, x <= y ? A(1) : A(0))

template <class A>
FLOTILLA_INLINE inline A onGrid(A x, A shift, A most) {
  return std::abs(x) <= most ? (x + shift) - shift : x * std::numeric_limits<A>::infinity();
}

template <class A, bool adds>
void fixedPoint(const A* const* in, A* const* out, int64_t n, const A* parameters) {
  const A *a = in[0], *b = adds ? in[1] : nullptr;
  A* y = out[0];
  const A shift = parameters[0], most = parameters[1];
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      const A part = onGrid(a[i], shift, most);
      y[i] = adds ? b[i] + part : part;
    }
  });
}
template <class A>
void onGridOf(const A* const* in, A* const* out, int64_t n, const A* parameters) {
  fixedPoint<A, false>(in, out, n, parameters);
}
template <class A>
void onGridAdded(const A* const* in, A* const* out, int64_t n, const A* parameters) {
  fixedPoint<A, true>(in, out, n, parameters);
}

template <class A>
void select(const A* const* in, A* const* out, int64_t n, const A*) {
  const A *condition = in[0], *a = in[1], *b = in[2];
  A* y = out[0];
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      const A x = a[i], other = b[i];
      y[i] = condition[i] != A(0) ? x : other;
    }
  });
}

template <class A, int count>
void total(const A* const* in, A* const* out, int64_t n, const A*) {
  A* y = out[0];
  vectorised([&]() FLOTILLA_INLINE {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      A value = in[0][i];
      for (int o = 1; o < count; o++) value += in[o][i];
      y[i] = value;
    }
  });
}

template <const ElementOp& (*op)()>
std::unique_ptr<Kernel> make(const KernelCall& call) {
  return makeElementwise(call, op());
}

#define FLOTILLA_OP(symbol, inputs, function, ...)                                                   \
  const ElementOp& symbol##Op() {                                                                    \
    static const ElementOp op{#symbol, inputs, 1, function<float>, function<double>, {__VA_ARGS__}, {}}; \
    return op;                                                                                       \
  }                                                                                                  \
  const KernelRegistration symbol##Registration{#symbol, byDevice<make<symbol##Op>>};

FLOTILLA_OP(add, 2, sum)
FLOTILLA_OP(sub, 2, difference)
FLOTILLA_OP(mul, 2, product)
FLOTILLA_OP(div, 2, quotient)
FLOTILLA_OP(max, 2, larger)
FLOTILLA_OP(min, 2, smaller)
FLOTILLA_OP(eq, 2, equal)
FLOTILLA_OP(ge, 2, notLess)
FLOTILLA_OP(gt, 2, greater)
FLOTILLA_OP(lt, 2, less)
FLOTILLA_OP(le, 2, notGreater)
FLOTILLA_OP(where, 3, select)
FLOTILLA_OP(neg, 1, negative)
FLOTILLA_OP(exp, 1, exponential)
FLOTILLA_OP(log, 1, logarithm)
FLOTILLA_OP(sqrt, 1, root)
FLOTILLA_OP(rsqrt, 1, reciprocalRoot)
FLOTILLA_OP(tanh, 1, hyperbolicTangent)
FLOTILLA_OP(sigmoid, 1, logistic)
FLOTILLA_OP(relu, 1, positivePart)
FLOTILLA_OP(square, 1, squared)
FLOTILLA_OP(reciprocal, 1, inverse)
FLOTILLA_OP(cos, 1, cosine)
FLOTILLA_OP(sin, 1, sine)
FLOTILLA_OP(abs, 1, magnitude)
FLOTILLA_OP(erf, 1, errorFunction)
FLOTILLA_OP(scale, 1, scaled, "factor")
FLOTILLA_OP(add_scalar, 1, shifted, "value")
FLOTILLA_OP(pow, 1, power, "exponent")
FLOTILLA_OP(fixed_point, 1, onGridOf, "shift", "most")
FLOTILLA_OP(fixed_point_add, 2, onGridAdded, "shift", "most")

std::unique_ptr<Kernel> cast(const KernelCall& call) {
  static const ElementOp op{"cast", 1, 1, identity<float>, identity<double>, {}, {}};
  return makeCast(call, op);
}
const KernelRegistration castRegistration{"cast", byDevice<cast>};

std::unique_ptr<Kernel> addN(const KernelCall& call) {
  static const ElementOp ops[] = {
      {"add_n", 1, 1, total<float, 1>, total<double, 1>, {}, {}}, {"add_n", 2, 1, total<float, 2>, total<double, 2>, {}, {}},
      {"add_n", 3, 1, total<float, 3>, total<double, 3>, {}, {}}, {"add_n", 4, 1, total<float, 4>, total<double, 4>, {}, {}},
      {"add_n", 5, 1, total<float, 5>, total<double, 5>, {}, {}}, {"add_n", 6, 1, total<float, 6>, total<double, 6>, {}, {}},
      {"add_n", 7, 1, total<float, 7>, total<double, 7>, {}, {}}};
  require(call, call.operands.size() >= 2 && call.operands.size() <= 8, "1 to 7 operands and the result");
  return makeElementwise(call, ops[call.operands.size() - 2]);
}
const KernelRegistration addNRegistration{"add_n", byDevice<addN>};

std::unique_ptr<Kernel> iota(const KernelCall& call) {
  requireOperands(call, 1);
  const Operand& y = operand(call, 0, 1);
  const int64_t n = y.sizes[0], start = int64_t(number(call, "start", 0));
  return withType<int64_t, int32_t, float, bf16, double>(call, y.dtype, [&]<class T>(Tag<T>) {
    T* out = dataOf<T>(y);
    return makeKernel([=] {
      for (int64_t i = 0; i < n; i++) out[i] = narrow<T>(std::conditional_t<std::is_same_v<T, bf16>, float, T>(start + i));
    });
  });
}
const KernelRegistration iotaRegistration{"iota", byDevice<iota>};

}  // namespace
}  // namespace flotilla
