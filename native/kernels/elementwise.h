// Element by element: y = f(x…) over any strides and any mix of types.
//
// A call is walked in runs of up to 512 elements along one dimension. A run is widened into buffers that stay in L1 (or read
// in place where it is contiguous and wide already), computed on, and narrowed into the outputs. So a function is written once,
// as a wide loop over f32 or f64, and the mix of types costs no further code. It computes in f64 where an operand is f64, i64
// or i32 (exact to 2^53), else in f32. An output may be the very view of an input.
#pragma once

#include "support.h"

namespace flotilla {

inline constexpr int64_t runElements = 512;

// f(inputs, outputs, how many, parameters)
template <class A>
using ElementFunction = void (*)(const A* const* in, A* const* out, int64_t n, const A* parameters);

struct ElementOp {
  const char* name;
  int inputs, outputs;
  ElementFunction<float> f32;
  ElementFunction<double> f64;
  std::vector<const char*> parameters;                  // attributes it needs
  std::vector<std::pair<const char*, double>> options;  // attributes with a default, after those
};

// Inputs first, then outputs.
std::unique_ptr<Kernel> makeElementwise(const KernelCall& call, const ElementOp& op);

// y = x in y's type; without a change of type, the same bytes.
std::unique_ptr<Kernel> makeCast(const KernelCall& call, const ElementOp& identity);

}  // namespace flotilla
