// The library's forms of kernels, for GPUs: out-variants and fused kernels of ATen over views built at load. They run on the CPU too
// (attribute library=1) as far as ATen has CPU kernels for them.
//
// A form looks at types, strides and attributes once, when the program is loaded, and returns the kernel, or null where the library
// does not take the call: then the plain calls of aten.cpp serve it on a GPU.
//
// What holds for all of them: no bf16 between an operation's operands and its result (sums and intermediate values are f32), the
// host never waits for the device (no .item(), no mask or index whose length the device decides), the same bits every time. What each
// allocates inside torch is said beside it; README.md lists it.
#pragma once

#include <functional>
#include <memory>

#include "aten_call.h"
#include "support.h"

namespace flotilla::library {

using at::Tensor;
using Form = std::function<std::unique_ptr<Kernel>(const AtenCall&)>;

inline bool isHalf(const Tensor& x) { return x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf; }

std::unique_ptr<Kernel> matmul(const AtenCall& c);                // library_matmul.cpp
std::unique_ptr<Kernel> attention(const AtenCall& c);             // library_attention.cpp
std::unique_ptr<Kernel> attentionBackward(const AtenCall& c);
std::unique_ptr<Kernel> layerNorm(const AtenCall& c);             // library_rows.cpp
std::unique_ptr<Kernel> layerNormBackward(const AtenCall& c);
std::unique_ptr<Kernel> softmax(const AtenCall& c);
std::unique_ptr<Kernel> softmaxBackward(const AtenCall& c);
std::unique_ptr<Kernel> crossEntropy(const AtenCall& c);
std::unique_ptr<Kernel> crossEntropyBackward(const AtenCall& c);
std::unique_ptr<Kernel> gather(const AtenCall& c);                // library_indexed.cpp
std::unique_ptr<Kernel> scatterAdd(const AtenCall& c);
std::unique_ptr<Kernel> adamw(const AtenCall& c);                 // library_adamw.cpp

}  // namespace flotilla::library
