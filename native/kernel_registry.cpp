// Sizes of elements, and the table of kernels: filled by KernelRegistration objects before main, read when a program is loaded.
#include "kernel.h"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace flotilla {

int64_t elementBytes(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
    case DType::f16:
      return 2;
    case DType::u8:
      return 1;
  }
  throw std::invalid_argument("unknown dtype");
}

namespace {

// A function's static, so that it exists before the first registration of any translation unit.
std::map<std::string, KernelFactory>& table() {
  static std::map<std::string, KernelFactory> kernels;
  return kernels;
}

}  // namespace

KernelRegistration::KernelRegistration(const char* name, KernelFactory factory) {
  if (!table().emplace(name, factory).second) {
    std::fprintf(stderr, "flotilla: two kernels are named '%s'\n", name);
    std::abort();
  }
}

KernelFactory findKernel(const std::string& name) {
  const auto found = table().find(name);
  return found == table().end() ? nullptr : found->second;
}

std::vector<std::string> kernelNames() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : table()) names.push_back(name);
  return names;
}

}  // namespace flotilla
