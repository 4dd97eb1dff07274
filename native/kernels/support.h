// What factories share: reading a call, choosing element types, wrapping a function as a Kernel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "../kernel.h"
#include "simd.h"

namespace flotilla {

// A kernel that is a function of no arguments, with everything it needs captured.
template <class Run>
class FunctionKernel final : public Kernel {
 public:
  explicit FunctionKernel(Run run) : run_(std::move(run)) {}
  void run() override { run_(); }

 private:
  Run run_;
};
template <class Run>
std::unique_ptr<Kernel> makeKernel(Run run) { return std::make_unique<FunctionKernel<Run>>(std::move(run)); }

// aten.cpp: the same kernel as plain ATen calls, on any device.
std::unique_ptr<Kernel> makeAtenKernel(const KernelCall& call);
// library.cpp: the library's own kernel for it; on a GPU the plain calls where it has none, on the CPU that is refused.
std::unique_ptr<Kernel> makeLibraryKernel(const KernelCall& call);

// Our own kernel on the CPU, the library's elsewhere. For tests, on any device: aten=1 asks for the plain calls, library=1 for the
// library's.
template <KernelFactory cpu>
std::unique_ptr<Kernel> byDevice(const KernelCall& call) {
  if (call.numbers.count("aten")) return makeAtenKernel(call);
  return call.device == "cpu" && !call.numbers.count("library") ? cpu(call) : makeLibraryKernel(call);
}

[[noreturn]] inline void misfit(const KernelCall& call, const std::string& why) {
  throw std::invalid_argument(call.kernel + ": " + why);
}
inline void require(const KernelCall& call, bool holds, const char* what) {
  if (!holds) misfit(call, std::string("must hold: ") + what);
}

inline double number(const KernelCall& call, const char* name) {
  const auto it = call.numbers.find(name);
  if (it == call.numbers.end() || it->second.empty()) misfit(call, std::string("needs the attribute ") + name);
  return it->second[0];
}
inline double number(const KernelCall& call, const char* name, double otherwise) {
  return call.numbers.count(name) ? number(call, name) : otherwise;
}

inline void requireOperands(const KernelCall& call, size_t count) {
  if (call.operands.size() != count)
    misfit(call, "takes " + std::to_string(count) + " operands, got " + std::to_string(call.operands.size()));
}
inline void requireScratch(const KernelCall& call, int64_t bytes) {
  if (call.scratchBytes < bytes || (bytes > 0 && !call.scratch))
    misfit(call, "needs " + std::to_string(bytes) + " bytes of workspace, got " + std::to_string(call.scratchBytes));
}

// Operand i, checked: its rank, and unit stride in the last dimension.
inline const Operand& operand(const KernelCall& call, size_t i, size_t rank, bool unitInner = true) {
  const Operand& o = call.operands[i];
  const std::string name = "operand " + std::to_string(i);
  if (o.sizes.size() != rank || o.strides.size() != rank)
    misfit(call, name + " has " + std::to_string(o.sizes.size()) + " dimensions, not " + std::to_string(rank));
  if (unitInner && rank > 0 && o.sizes[rank - 1] > 1 && o.strides[rank - 1] != 1)
    misfit(call, name + " needs unit stride in its last dimension");
  return o;
}

inline int64_t elementsOf(const Operand& o) {
  int64_t n = 1;
  for (const int64_t size : o.sizes) n *= size;
  return n;
}

template <class T>
struct Tag {
  using type = T;
};
template <class T>
inline constexpr DType dtypeOf = DType::f32;
template <> inline constexpr DType dtypeOf<double> = DType::f64;
template <> inline constexpr DType dtypeOf<bf16> = DType::bf16;
template <> inline constexpr DType dtypeOf<int64_t> = DType::i64;
template <> inline constexpr DType dtypeOf<int32_t> = DType::i32;
template <> inline constexpr DType dtypeOf<uint8_t> = DType::u8;

// Calls f(Tag<T>{}) with the element type that an operand has, out of those listed.
template <class T, class... Rest, class F>
std::unique_ptr<Kernel> withType(const KernelCall& call, DType dtype, F&& f) {
  if (dtype == dtypeOf<T>) return f(Tag<T>{});
  if constexpr (sizeof...(Rest) > 0) return withType<Rest...>(call, dtype, std::forward<F>(f));
  misfit(call, "an operand has a type that this kernel does not take");
}
template <class F>
std::unique_ptr<Kernel> withFloat(const KernelCall& call, DType dtype, F&& f) {
  return withType<float, bf16, double>(call, dtype, std::forward<F>(f));
}
// A second float type beside T: f64 does not mix with the others.
template <class T, class F>
std::unique_ptr<Kernel> withFloatBeside(const KernelCall& call, DType dtype, F&& f) {
  if constexpr (std::is_same_v<T, double>) return withType<double>(call, dtype, std::forward<F>(f));
  else return withType<float, bf16>(call, dtype, std::forward<F>(f));
}
// The same, where T may be an integer: those keep their type.
template <class T, class F>
std::unique_ptr<Kernel> withBeside(const KernelCall& call, DType dtype, F&& f) {
  if constexpr (std::is_integral_v<T>) return withType<T>(call, dtype, std::forward<F>(f));
  else return withFloatBeside<T>(call, dtype, std::forward<F>(f));
}
template <class F>
std::unique_ptr<Kernel> withIndex(const KernelCall& call, DType dtype, F&& f) {
  return withType<int64_t, int32_t>(call, dtype, std::forward<F>(f));
}

template <class T>
T* dataOf(const Operand& o) { return static_cast<T*>(o.data); }

}  // namespace flotilla
