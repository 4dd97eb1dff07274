#include "non_finite.h"

#include <ATen/Functions.h>

#include <limits>
#include <utility>

namespace flotilla {

namespace {

class WatchedKernel final : public Kernel {
 public:
  WatchedKernel(std::unique_ptr<Kernel> kernel, std::vector<at::Tensor> operands, size_t reads, int64_t launch, NonFinite& found)
      : kernel_(std::move(kernel)), operands_(std::move(operands)), reads_(reads), launch_(launch), found_(found) {}

  void run() override {
    look(0, reads_);
    kernel_->run();
    look(reads_, operands_.size());
  }

 private:
  void look(size_t from, size_t to) {
    for (size_t i = from; i < to && found_.launch < 0; i++) {
      const at::Tensor& operand = operands_[i];
      if (!operand.is_floating_point() || operand.numel() == 0) continue;
      const at::Tensor nans = operand.isnan();
      const at::Tensor seen = nans.logical_or(operand.eq(std::numeric_limits<double>::infinity()));
      if (!seen.any().item<bool>()) continue;
      const at::Tensor marks = seen.to(at::kByte).cpu().contiguous();
      const uint8_t* first = marks.const_data_ptr<uint8_t>();
      found_ = {launch_, static_cast<int64_t>(i), nans.any().item<bool>(), {first, first + marks.numel()}};
    }
  }

  std::unique_ptr<Kernel> kernel_;
  std::vector<at::Tensor> operands_;
  size_t reads_;
  int64_t launch_;
  NonFinite& found_;
};

}  // namespace

std::unique_ptr<Kernel> watched(std::unique_ptr<Kernel> kernel, std::vector<at::Tensor> operands, size_t reads, int64_t launch, NonFinite& found) {
  return std::make_unique<WatchedKernel>(std::move(kernel), std::move(operands), reads, launch, found);
}

}  // namespace flotilla
