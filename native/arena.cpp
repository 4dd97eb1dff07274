#include "arena.h"

#include <ATen/Functions.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sys/mman.h>

#include <stdexcept>

#include "error.h"
#include "tensor_at.h"

namespace flotilla {

at::ScalarType scalarType(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return at::kDouble;
    case DType::f32:
      return at::kFloat;
    case DType::bf16:
      return at::kBFloat16;
    case DType::f16:
      return at::kHalf;
    case DType::i64:
      return at::kLong;
    case DType::i32:
      return at::kInt;
    case DType::u8:
      return at::kByte;
  }
  throw std::invalid_argument("unknown dtype");
}

Arena::Arena(at::Device device, int64_t bytes) : device_(device), bytes_(bytes) {
  const std::string size = std::to_string(bytes) + " bytes on " + device.str();
  if (bytes < 0) throw EngineError("program-invalid", "an arena of " + size);
  if (bytes == 0) return;
  if (device_.is_cpu()) {
    void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw EngineError("out-of-memory", "no memory for an arena of " + size);
    data_ = static_cast<char*>(mapped);
  } else {
    try {
      storage_ = at::zeros({bytes}, at::TensorOptions().dtype(at::kByte).device(device_));
      // The zeros are written on this thread's stream; the arena is used on others.
      const c10::impl::VirtualGuardImpl guard(device_.type());
      guard.synchronizeStream(guard.getStream(device_));
    } catch (const c10::OutOfMemoryError& error) {
      throw EngineError("out-of-memory", "no memory for an arena of " + size + ": " + describeException(error));
    }
    data_ = static_cast<char*>(storage_.data_ptr());
  }
}

Arena::~Arena() {
  if (data_ && device_.is_cpu()) munmap(data_, bytes_);
}

char* Arena::address(int64_t offset, int64_t bytes) const {
  if (offset < 0 || bytes < 0 || bytes > bytes_ || offset > bytes_ - bytes)
    throw std::invalid_argument("bytes " + std::to_string(offset) + " to " + std::to_string(offset + bytes) +
                                " lie outside the arena of " + std::to_string(bytes_));
  return data_ + offset;
}

Operand Arena::operand(const View& view) const {
  if (view.sizes.size() != view.strides.size()) throw std::invalid_argument("a view has as many strides as sizes");
  int64_t last = 0;  // the index of the last element, from the first
  bool empty = false;
  for (size_t i = 0; i < view.sizes.size(); i++) {
    if (view.sizes[i] < 0 || view.strides[i] < 0) throw std::invalid_argument("sizes and strides of a view are not negative");
    if (view.sizes[i] == 0) empty = true;
    else if (__builtin_add_overflow(last, (view.sizes[i] - 1) * view.strides[i], &last)) throw std::invalid_argument("a view is too large");
  }
  const int64_t element = elementBytes(view.dtype);
  if (view.offset % element != 0)
    throw std::invalid_argument("offset " + std::to_string(view.offset) + " is not aligned to elements of " + std::to_string(element) + " bytes");
  return {address(view.offset, empty ? 0 : (last + 1) * element), view.dtype, view.sizes, view.strides};
}

at::Tensor Arena::tensor(const View& view) const {
  const Operand checked = operand(view);
  return tensorAt(checked.data, view.sizes, view.strides, scalarType(view.dtype), device_);
}

}  // namespace flotilla
