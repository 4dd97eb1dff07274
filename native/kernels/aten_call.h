// A kernel's call as tensors: views of the operands, built when the program is loaded, and the attributes. What aten.cpp and the
// library's forms (library.h) are written over.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "../kernel.h"

namespace flotilla {

struct AtenCall {
  std::string kernel;
  std::vector<at::Tensor> x;  // reads, then writes
  std::map<std::string, std::vector<double>> numbers;

  double number(const char* name, double otherwise = 0) const {
    const auto it = numbers.find(name);
    return it == numbers.end() ? otherwise : it->second.at(0);
  }
  bool accumulates() const { return number("accumulate") != 0; }
  bool onCpu() const { return x[0].device().is_cpu(); }
  at::Tensor wide(size_t i) const { return widened(x[i]); }
  static at::Tensor widened(const at::Tensor& t) { return t.scalar_type() == at::kBFloat16 || t.scalar_type() == at::kHalf ? t.to(at::kFloat) : t; }
  void write(size_t i, const at::Tensor& value) const { at::Tensor(x[i]).copy_(value); }
  void writeLast(const at::Tensor& value) const { write(x.size() - 1, value); }
  void writeOrAdd(size_t i, const at::Tensor& value) const { write(i, accumulates() ? wide(i) + value : value); }
};

AtenCall atenCall(const KernelCall& call);

}  // namespace flotilla
