#include "program.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>

#include "error.h"

namespace flotilla {

namespace {

std::unique_ptr<Kernel> makeKernel(const LaunchText& launch, const Arena& arena) {
  const KernelFactory factory = findKernel(launch.name);
  if (!factory) throw EngineError("kernel-unknown", "this build has no kernel '" + launch.name + "'", launch.name, launch.at);
  KernelCall call;
  call.kernel = launch.name;
  for (const View& view : launch.views) call.operands.push_back(arena.operand(view));
  if (launch.scratch) {
    call.scratch = arena.address(launch.scratch->offset, launch.scratch->bytes);
    call.scratchBytes = launch.scratch->bytes;
  }
  call.numbers = launch.numbers;
  call.device = arena.device().str();
  return factory(call);
}

std::vector<at::Tensor> tensorsOf(const LaunchText& launch, const Arena& arena) {
  std::vector<at::Tensor> tensors;
  for (const View& view : launch.views) tensors.push_back(arena.tensor(view));
  return tensors;
}

const GroupText& findGroup(const ProgramText& text, int id) {
  for (const GroupText& group : text.groups)
    if (group.id == id) return group;
  throw std::invalid_argument("group " + std::to_string(id) + " is not in the program's list");
}

bool isMessage(const LaunchText& launch) { return launch.kind == LaunchText::Kind::send || launch.kind == LaunchText::Kind::recv; }

// The ranks of the world that a message goes from and to.
std::pair<int, int> endsOf(const LaunchText& launch, int rank) {
  return launch.kind == LaunchText::Kind::send ? std::pair(rank, launch.peer) : std::pair(launch.peer, rank);
}

}  // namespace

// A kernel, copy or communication with its place, which its exceptions name.
class Program::Launch final : public StreamTask {
 public:
  Launch(const LaunchText& text, std::unique_ptr<Kernel> kernel) : kernel_(std::move(kernel)), op_(text.name), at_(text.at), group_(text.group) {}
  Launch(const LaunchText& text, std::unique_ptr<Transfer> transfer)
      : transfer_(std::move(transfer)), op_(text.name), at_(text.at), group_(text.group) {}

  void start() override {
    placed([&] { kernel_ ? kernel_->run() : transfer_->start(); });
  }
  void finish(Waits& waits) override {
    placed([&] { transfer_->finish(waits); });
  }
  void onCompletion(std::function<void()> callback) override { transfer_->onCompletion(std::move(callback)); }

 private:
  template <typename Body>
  void placed(Body body) {
    try {
      body();
    } catch (const EngineError& error) {
      throw EngineError(error.code, error.what(), op_, at_, group_);
    } catch (const std::exception& error) {
      throw EngineError(transfer_ ? "collective-failed" : "kernel-failed", describeException(error), op_, at_, group_);
    }
  }

  std::unique_ptr<Kernel> kernel_;
  std::unique_ptr<Transfer> transfer_;
  std::string op_, at_;
  int group_;
};

Program::Program(const ProgramText& text, Arena& arena, Groups* groups, Streams& streams, bool watch)
    : streams_(streams), plan_(planStreams(text.launches)) {
  const std::vector<LaunchText>& texts = text.launches;
  streams_.reserve(plan_.streams, plan_.events, texts.size());

  // Every member makes its groups in this order, by id.
  std::vector<GroupText> ordered = text.groups;
  std::stable_sort(ordered.begin(), ordered.end(), [](const GroupText& a, const GroupText& b) { return a.id < b.id; });
  if (groups)
    for (const GroupText& group : ordered)
      if (std::find(group.ranks.begin(), group.ranks.end(), groups->options().rank) != group.ranks.end()) groups->group(group.id, group.ranks);

  if (groups) {
    std::set<std::pair<int, int>> channels;
    for (const LaunchText& launch : texts)
      if (isMessage(launch)) channels.insert(endsOf(launch, groups->options().rank));
    for (const auto& [from, to] : channels) groups->channel(from, to);
  }

  launches_.reserve(texts.size());
  size_t index = 0;
  try {
    if (!groups && std::any_of(texts.begin(), texts.end(), isTransfer))
      throw EngineError("program-invalid", "the program communicates, but this rank has met no others: call rendezvous() before load()");
    for (; index < texts.size(); index++) {
      const LaunchText& launch = texts[index];
      switch (launch.kind) {
        case LaunchText::Kind::kernel:
        case LaunchText::Kind::copy: {
          std::unique_ptr<Kernel> kernel = makeKernel(launch, arena);
          if (watch) kernel = watched(std::move(kernel), tensorsOf(launch, arena), launch.reads, index, nonFinite_);
          launches_.push_back(std::make_unique<Launch>(launch, std::move(kernel)));
          break;
        }
        case LaunchText::Kind::collective:
          launches_.push_back(
              std::make_unique<Launch>(launch, makeCollective(launch, arena, groups->group(launch.group, findGroup(text, launch.group).ranks))));
          break;
        case LaunchText::Kind::send:
        case LaunchText::Kind::recv: {
          const auto [from, to] = endsOf(launch, groups->options().rank);
          launches_.push_back(std::make_unique<Launch>(launch, makePointToPoint(launch, arena, groups->channel(from, to))));
          break;
        }
        case LaunchText::Kind::signal:
        case LaunchText::Kind::wait:
          launches_.push_back(nullptr);
          break;
      }
    }
  } catch (const std::exception& error) {
    const LaunchText none;
    const LaunchText& launch = index < texts.size() ? texts[index] : none;
    const auto* known = dynamic_cast<const EngineError*>(&error);
    throw EngineError(known ? known->code : "program-invalid", "launch " + std::to_string(index) + ": " + describeException(error), launch.name,
                      launch.at, launch.group);
  }
  times_.resize(launches_.size());
}

Program::~Program() = default;

StepReport Program::run(bool traced) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  nonFinite_ = {};
  if (traced) std::fill(times_.begin(), times_.end(), LaunchTimes{0, 0, std::numeric_limits<double>::quiet_NaN()});
  streams_.begin(traced ? &times_ : nullptr);
  for (size_t index = 0; index < launches_.size(); index++) handOver(index, traced);
  streams_.finish();
  return {std::chrono::duration<double>(Clock::now() - begin).count(), streams_.waitSeconds()};
}

// Gives a launch, and the events before and after it, to their streams.
void Program::handOver(size_t index, bool traced) {
  const int stream = plan_.streamOf[index];
  if (traced) streams_.beginLaunch(index, stream);
  for (size_t i = plan_.first[index]; i < plan_.first[index + 1]; i++) {
    const StreamOp& op = plan_.ops[i];
    switch (op.kind) {
      case StreamOp::Kind::launch:
        streams_.launch(op.stream, op.at, *launches_[op.at]);
        break;
      case StreamOp::Kind::record:
        streams_.record(op.at, op.stream);
        break;
      case StreamOp::Kind::wait:
        streams_.wait(op.stream, op.at);
        break;
    }
  }
  if (traced) streams_.endLaunch(index, stream);
}

}  // namespace flotilla
