// The contract between the executor and every kernel. A kernel is built once, when a program is loaded: the factory sees resolved
// addresses, shapes and attributes and prepares whatever it needs (views, block sizes, packed offsets). run() is called once a launch
// and allocates nothing of ours; the library's forms on a GPU take what they need from torch's allocator (kernels/README.md).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace flotilla {

enum class DType : int32_t { f64, f32, bf16, f16, i64, i32, u8 };

int64_t elementBytes(DType dtype);

// A view of the arena. Sizes and strides are in elements; strides may be 0 (broadcast) or permuted.
struct Operand {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;
};

// One kernel launch as the program states it. Which operands are read, written or accumulated into is fixed by the kernel's signature.
struct KernelCall {
  std::string kernel;
  std::vector<Operand> operands;                 // reads first, then writes, in signature order
  void* scratch = nullptr;                       // workspace from the arena, as declared in the kernel table
  int64_t scratchBytes = 0;
  std::map<std::string, std::vector<double>> numbers;  // attributes; a scalar is a list of one
  std::string device = "cpu";
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run() = 0;
};

using KernelFactory = std::unique_ptr<Kernel> (*)(const KernelCall&);

// Registers a factory under a kernel's name; throws std::invalid_argument from the factory when a call does not fit its contract.
// Names are unique: a second registration of one is a link-time mistake and aborts.
struct KernelRegistration {
  KernelRegistration(const char* name, KernelFactory factory);
};

// The factory of a kernel, or nullptr.
KernelFactory findKernel(const std::string& name);
std::vector<std::string> kernelNames();

}  // namespace flotilla
