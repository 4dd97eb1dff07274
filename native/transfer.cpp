#include "transfer.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <stdexcept>

#include "error.h"
#include "kernels/workspaces.h"
#include "tensor_at.h"

namespace flotilla {

namespace {

bool isContiguous(const View& view) {
  int64_t stride = 1;
  if (view.elements() == 0) return true;
  for (size_t i = view.sizes.size(); i-- > 0;) {
    if (view.sizes[i] != 1 && view.strides[i] != stride) return false;
    stride *= view.sizes[i];
  }
  return true;
}

// A contiguous view as a vector of its elements.
at::Tensor flat(const Arena& arena, const View& view, const char* what) {
  if (!isContiguous(view)) throw std::invalid_argument(std::string(what) + " is not contiguous");
  const int64_t elements = view.elements();
  return arena.tensor({view.offset, view.dtype, {elements}, {1}});
}

bool sameMemory(const at::Tensor& a, const at::Tensor& b) { return a.data_ptr() == b.data_ptr() && a.numel() == b.numel(); }

bool overlap(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0 || b.numel() == 0) return false;
  const char* x = static_cast<const char*>(a.data_ptr());
  const char* y = static_cast<const char*>(b.data_ptr());
  return x < y + b.nbytes() && y < x + a.nbytes();
}

void requireDisjoint(const at::Tensor& a, const at::Tensor& b) {
  if (overlap(a, b)) throw std::invalid_argument("input and output overlap");
}

// The elements of each member: as given, or even.
std::vector<int64_t> blockSizes(const std::vector<int64_t>& given, int64_t elements, int members, const char* what) {
  std::vector<int64_t> sizes = given;
  if (sizes.empty()) {
    if (elements % members != 0)
      throw std::invalid_argument(std::string(what) + ": " + std::to_string(elements) + " elements do not divide by " + std::to_string(members) +
                                  " members, and no counts are given");
    sizes.assign(members, elements / members);
  }
  if (static_cast<int>(sizes.size()) != members) throw std::invalid_argument(std::string(what) + ": one count for each member");
  if (std::any_of(sizes.begin(), sizes.end(), [](int64_t size) { return size < 0; })) throw std::invalid_argument(std::string(what) + ": a negative count");
  if (std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != elements)
    throw std::invalid_argument(std::string(what) + ": the counts do not add up to " + std::to_string(elements) + " elements");
  return sizes;
}

std::vector<at::Tensor> splitBlocks(const at::Tensor& tensor, const std::vector<int64_t>& sizes) {
  std::vector<at::Tensor> blocks;
  int64_t start = 0;
  for (const int64_t size : sizes) {
    blocks.push_back(tensor.narrow(0, start, size));
    start += size;
  }
  return blocks;
}

void copyUnlessSame(const at::Tensor& to, const at::Tensor& from) {
  if (!sameMemory(to, from)) const_cast<at::Tensor&>(to).copy_(from);
}

// Sends and receives that belong together. Tensors of no elements are left out on both sides.
class Exchange {
 public:
  explicit Exchange(Group& group) : group_(group) {}

  void addSend(const at::Tensor& tensor, int to) { add(sends_, tensor, to); }
  void addReceive(const at::Tensor& tensor, int from) { add(receives_, tensor, from); }

  void start(int tag) {
    c10d::Backend* backend = group_.backend.get();
    const bool grouped = backend && backend->supportsCoalescing() && !(sends_.empty() && receives_.empty());
    if (grouped) backend->startCoalescing();  // NCCL: one kernel; without it, sends that wait for each other hang
    // Receives first: Gloo sends once the receiver has named its buffer.
    for (Part& part : receives_) part.work = backend->recv(part.tensors, part.peer, tag);
    for (Part& part : sends_) part.work = backend->send(part.tensors, part.peer, tag);
    if (grouped) grouped_ = backend->endCoalescing();
  }

  void finish(Waits& waits) {
    if (grouped_) {
      waits.wait(*grouped_);
      grouped_.reset();
    } else {
      for (Part& part : receives_) waits.waitPointToPoint(*part.work);
      for (Part& part : sends_) waits.waitPointToPoint(*part.work);
    }
    for (Part& part : receives_) part.work.reset();
    for (Part& part : sends_) part.work.reset();
  }

 private:
  struct Part {
    std::vector<at::Tensor> tensors;
    int peer;
    c10::intrusive_ptr<c10d::Work> work;
  };

  void add(std::vector<Part>& parts, const at::Tensor& tensor, int peer) {
    if (peer < 0 || peer >= group_.size) throw std::invalid_argument("member " + std::to_string(peer) + " of a group of " + std::to_string(group_.size));
    if (peer == group_.rank) throw std::invalid_argument("a rank sends to itself");
    if (tensor.numel() > 0) parts.push_back({{tensor}, peer, nullptr});
  }

  Group& group_;
  std::vector<Part> sends_;
  std::vector<Part> receives_;
  c10::intrusive_ptr<c10d::Work> grouped_;
};

// all_gather, all_to_all, permute: an exchange and the copy of our own block.
class ExchangeTransfer : public Transfer {
 public:
  explicit ExchangeTransfer(Group& group) : exchange(group), group_(group) {}

  void start() override {
    exchange.start(group_.nextTag++);
    for (const auto& [to, from] : local) to.copy_(from);
  }
  void finish(Waits& waits) override { exchange.finish(waits); }

  void addLocal(const at::Tensor& to, const at::Tensor& from) {
    if (!sameMemory(to, from) && to.numel() > 0) local.emplace_back(to, from);
  }

  Exchange exchange;
  std::vector<std::pair<at::Tensor, at::Tensor>> local;

 private:
  Group& group_;
};

// Each member's block for us comes into the workspace; the sum runs in rank order, so the result depends on nothing else.
class ReduceScatter : public Transfer {
 public:
  ReduceScatter(Group& group, Reduction reduction, const at::Tensor& input, const at::Tensor& output, const std::vector<int64_t>& counts, char* workspace)
      : exchange_(group), group_(group), reduction_(reduction), output_(output) {
    const std::vector<at::Tensor> ours = splitBlocks(input, counts);
    if (!sameMemory(output, ours[group.rank])) requireDisjoint(input, output);
    const int64_t bytes = output.numel() * output.element_size();
    for (int member = 0; member < group.size; member++) {
      if (member == group.rank) {
        blocks_.push_back(ours[member]);
        continue;
      }
      blocks_.push_back(tensorAt(workspace, output.numel(), output.scalar_type(), output.device()));
      workspace += bytes;
      exchange_.addReceive(blocks_.back(), member);
      exchange_.addSend(ours[member], member);
    }
    // The sum is built where nothing that it still reads lies: in the first block, unless that is the input's own.
    sum_ = group.rank == 0 || group.size <= 2 ? output_ : blocks_[0];
  }

  void start() override { exchange_.start(group_.nextTag++); }

  void finish(Waits& waits) override {
    exchange_.finish(waits);
    if (output_.numel() == 0) return;
    if (blocks_.size() == 1) return copyUnlessSame(output_, blocks_[0]);
    for (size_t member = 1; member < blocks_.size(); member++) {
      const at::Tensor& before = member == 1 ? blocks_[0] : sum_;
      at::Tensor& target = member + 1 == blocks_.size() ? output_ : sum_;
      if (reduction_ == Reduction::max)
        at::maximum_out(target, before, blocks_[member]);
      else
        at::add_out(target, before, blocks_[member]);
    }
  }

 private:
  Exchange exchange_;
  Group& group_;
  Reduction reduction_;
  at::Tensor output_;
  at::Tensor sum_;
  std::vector<at::Tensor> blocks_;  // in rank order, ours among them
};

// Collectives that the backend carries out itself, in place on the output.
class BackendTransfer : public Transfer {
 public:
  BackendTransfer(Group& group, const at::Tensor& input, const at::Tensor& output, bool copyInput)
      : group_(group), input_(input), tensors_{output}, copyInput_(copyInput && !sameMemory(input, output)) {}

  void start() override {
    if (copyInput_) tensors_[0].copy_(input_);
    if (group_.backend && tensors_[0].numel() > 0) work_ = launch(*group_.backend, tensors_);
  }

  void finish(Waits& waits) override {
    if (!work_) return;
    waits.wait(*work_);
    work_.reset();
  }

  void onCompletion(std::function<void()> callback) override {
    if (!work_) return;
    if (auto future = work_->getFuture()) future->addCallback([callback = std::move(callback)](c10::ivalue::Future&) { callback(); });
  }

 protected:
  virtual c10::intrusive_ptr<c10d::Work> launch(c10d::Backend& backend, std::vector<at::Tensor>& tensors) = 0;

 private:
  Group& group_;
  at::Tensor input_;
  std::vector<at::Tensor> tensors_;
  bool copyInput_;
  c10::intrusive_ptr<c10d::Work> work_;
};

class AllReduce : public BackendTransfer {
 public:
  AllReduce(Group& group, Reduction reduction, const at::Tensor& input, const at::Tensor& output) : BackendTransfer(group, input, output, true) {
    options_.reduceOp = reduction == Reduction::max ? c10d::ReduceOp::MAX : c10d::ReduceOp::SUM;
  }

 protected:
  c10::intrusive_ptr<c10d::Work> launch(c10d::Backend& backend, std::vector<at::Tensor>& tensors) override {
    return backend.allreduce(tensors, options_);
  }

 private:
  c10d::AllreduceOptions options_;
};

class Broadcast : public BackendTransfer {
 public:
  Broadcast(Group& group, int root, const at::Tensor& input, const at::Tensor& output) : BackendTransfer(group, input, output, group.rank == root) {
    options_.rootRank = root;
  }

 protected:
  c10::intrusive_ptr<c10d::Work> launch(c10d::Backend& backend, std::vector<at::Tensor>& tensors) override {
    return backend.broadcast(tensors, options_);
  }

 private:
  c10d::BroadcastOptions options_;
};

class PointToPoint : public Transfer {
 public:
  PointToPoint(Group& group, int tag) : exchange(group), tag_(tag) {}

  void start() override { exchange.start(tag_); }
  void finish(Waits& waits) override { exchange.finish(waits); }

  Exchange exchange;

 private:
  int tag_;
};

void requireReduction(const LaunchText& launch) {
  if (launch.reduction == Reduction::none) throw std::invalid_argument("field 'reduction' is null");
}

// Where a launch that needs so many bytes may write; null where it needs none.
char* scratchFor(const LaunchText& launch, const Arena& arena, int64_t bytes) {
  const int64_t given = launch.scratch ? launch.scratch->bytes : 0;
  if (given < bytes) throw std::invalid_argument("it needs " + std::to_string(bytes) + " bytes of scratch, and is given " + std::to_string(given));
  return bytes > 0 ? arena.address(launch.scratch->offset, launch.scratch->bytes) : nullptr;
}

void requireEqualLength(const at::Tensor& input, const at::Tensor& output) {
  if (input.numel() != output.numel()) throw std::invalid_argument("input and output differ in length");
}

}  // namespace

std::unique_ptr<Transfer> makeCollective(const LaunchText& launch, const Arena& arena, Group& group) {
  const at::Tensor input = flat(arena, launch.views[0], "input");
  const at::Tensor output = flat(arena, launch.views[1], "output");
  if (launch.views[0].dtype != launch.views[1].dtype) throw std::invalid_argument("input and output differ in dtype");

  if (launch.name == "all_reduce") {
    requireReduction(launch);
    requireEqualLength(input, output);
    if (!sameMemory(input, output)) requireDisjoint(input, output);
    return std::make_unique<AllReduce>(group, launch.reduction, input, output);
  }
  if (launch.name == "broadcast") {
    requireEqualLength(input, output);
    if (launch.root < 0 || launch.root >= group.size) throw std::invalid_argument("field 'root' names no member");
    if (!sameMemory(input, output)) requireDisjoint(input, output);
    return std::make_unique<Broadcast>(group, launch.root, input, output);
  }
  if (launch.name == "reduce_scatter") {
    requireReduction(launch);
    const std::vector<int64_t> counts = blockSizes(launch.inputCounts, input.numel(), group.size, "inputCounts");
    if (counts[group.rank] != output.numel()) throw std::invalid_argument("the output is not as long as this member's block");
    return std::make_unique<ReduceScatter>(group, launch.reduction, input, output, counts, scratchFor(launch, arena, workspace::reduce_scatter(group.size, output.numel(), output.element_size())));
  }

  auto transfer = std::make_unique<ExchangeTransfer>(group);
  if (launch.name == "all_gather") {
    const std::vector<int64_t> counts = blockSizes(launch.outputCounts, output.numel(), group.size, "outputCounts");
    if (counts[group.rank] != input.numel()) throw std::invalid_argument("the input is not as long as this member's block");
    const std::vector<at::Tensor> blocks = splitBlocks(output, counts);
    if (!sameMemory(input, blocks[group.rank])) requireDisjoint(input, output);
    for (int member = 0; member < group.size; member++) {
      if (member == group.rank) {
        transfer->addLocal(blocks[member], input);
      } else {
        transfer->exchange.addReceive(blocks[member], member);
        transfer->exchange.addSend(input, member);
      }
    }
  } else if (launch.name == "all_to_all") {
    requireDisjoint(input, output);
    const std::vector<at::Tensor> ours = splitBlocks(input, blockSizes(launch.inputCounts, input.numel(), group.size, "inputCounts"));
    const std::vector<at::Tensor> theirs = splitBlocks(output, blockSizes(launch.outputCounts, output.numel(), group.size, "outputCounts"));
    requireEqualLength(ours[group.rank], theirs[group.rank]);
    for (int member = 0; member < group.size; member++) {
      if (member == group.rank) {
        transfer->addLocal(theirs[member], ours[member]);
      } else {
        transfer->exchange.addReceive(theirs[member], member);
        transfer->exchange.addSend(ours[member], member);
      }
    }
  } else if (launch.name == "permute") {
    requireDisjoint(input, output);
    const bool toSelf = launch.to == group.rank;
    if (toSelf != (launch.from == group.rank)) throw std::invalid_argument("a permute to itself is also from itself");
    if (toSelf) {
      requireEqualLength(input, output);
      transfer->addLocal(output, input);
    } else {
      if (launch.from >= 0) transfer->exchange.addReceive(output, launch.from);
      if (launch.to >= 0) transfer->exchange.addSend(input, launch.to);
    }
  } else {
    throw std::invalid_argument("collective '" + launch.name + "' is unknown");
  }
  return transfer;
}

std::unique_ptr<Transfer> makePointToPoint(const LaunchText& launch, const Arena& arena, const Groups::Channel& channel) {
  auto transfer = std::make_unique<PointToPoint>(channel.group, launch.tag);
  const at::Tensor tensor = flat(arena, launch.views[0], "view");
  if (launch.kind == LaunchText::Kind::send)
    transfer->exchange.addSend(tensor, channel.peer);
  else
    transfer->exchange.addReceive(tensor, channel.peer);
  return transfer;
}

}  // namespace flotilla
