// fill and copy: what every program needs before it has arithmetic.
//
// fill(-> y) {value}     y[...] = value
// copy(x -> y)           y[...] = x[...], any strides, any pair of dtypes (PyTorch's conversion rules)
//
// Both are ATen's, over views built at load; bytes = what the views hold.
#include <ATen/Functions.h>

#include <stdexcept>

#include "arena.h"
#include "kernel.h"
#include "tensor_at.h"

namespace flotilla {

namespace {

at::Tensor tensorOf(const Operand& operand, const std::string& device) {
  return tensorAt(operand.data, operand.sizes, operand.strides, scalarType(operand.dtype), at::Device(device));
}

class Fill : public Kernel {
 public:
  explicit Fill(const KernelCall& call) {
    if (call.operands.size() != 1 || !call.numbers.count("value") || call.numbers.at("value").size() != 1)
      throw std::invalid_argument("fill writes one operand and takes one number, 'value'");
    output_ = tensorOf(call.operands[0], call.device);
    value_ = call.numbers.at("value")[0];
  }
  void run() override { output_.fill_(value_); }

 private:
  at::Tensor output_;
  at::Scalar value_;
};

class Copy : public Kernel {
 public:
  explicit Copy(const KernelCall& call) {
    if (call.operands.size() != 2 || call.operands[0].sizes != call.operands[1].sizes)
      throw std::invalid_argument("copy reads one operand and writes one of the same sizes");
    input_ = tensorOf(call.operands[0], call.device);
    output_ = tensorOf(call.operands[1], call.device);
  }
  void run() override { output_.copy_(input_); }

 private:
  at::Tensor input_;
  at::Tensor output_;
};

const KernelRegistration fill("fill", [](const KernelCall& call) -> std::unique_ptr<Kernel> { return std::make_unique<Fill>(call); });
const KernelRegistration copy("copy", [](const KernelCall& call) -> std::unique_ptr<Kernel> { return std::make_unique<Copy>(call); });

}  // namespace

}  // namespace flotilla
