#include "program.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <limits>
#include <map>
#include <stdexcept>

#include "error.h"

namespace flotilla {

namespace {

// In-order lanes: what completes one transfer completes those launched before it on the same lane.
constexpr int sendLane = -1;
constexpr int recvLane = -2;

bool isTransfer(const LaunchText& launch) {
  return launch.kind == LaunchText::Kind::collective || launch.kind == LaunchText::Kind::send || launch.kind == LaunchText::Kind::recv;
}

int laneOf(const LaunchText& launch) {
  return launch.kind == LaunchText::Kind::send ? sendLane : launch.kind == LaunchText::Kind::recv ? recvLane : launch.group;
}

struct Range {
  int64_t begin, end;

  bool overlaps(const Range& other) const { return begin < other.end && other.begin < end; }
};

// The bytes that a transfer reads and writes. Its views are contiguous, which making it checks.
struct Touched {
  std::vector<Range> reads, writes;

  explicit Touched(const LaunchText& launch) {
    const auto range = [](const View& view) { return Range{view.offset, view.offset + view.elements() * elementBytes(view.dtype)}; };
    if (launch.kind != LaunchText::Kind::recv) reads.push_back(range(launch.views[0]));
    if (launch.kind != LaunchText::Kind::send) writes.push_back(range(launch.views.back()));
    if (launch.scratch) writes.push_back({launch.scratch->offset, launch.scratch->offset + launch.scratch->bytes});
  }

  bool conflictsWith(const Touched& other) const {
    return overlap(writes, other.writes) || overlap(writes, other.reads) || overlap(reads, other.writes);
  }

 private:
  static bool overlap(const std::vector<Range>& some, const std::vector<Range>& others) {
    return std::any_of(some.begin(), some.end(),
                       [&](const Range& one) { return std::any_of(others.begin(), others.end(), [&](const Range& other) { return one.overlaps(other); }); });
  }
};

// For every launch, the transfers that must have ended before it:
//   a wait     those of a lane, up to the latest with the wait's event;
//   a transfer those that write what it touches or touch what it writes, and what their lanes launched before them. Lanes are in
//              order and wait for one another; communication is started as early as the memory allows.
// The last entry, one past the launches, is what the end of the step ends.
std::vector<std::vector<size_t>> resolveWaits(const std::vector<LaunchText>& launches) {
  std::vector<std::vector<size_t>> finishes(launches.size() + 1);
  std::map<int, std::vector<size_t>> underWay;  // by lane
  std::map<int64_t, size_t> latest;             // by event
  std::map<size_t, Touched> touched;            // by transfer under way
  const auto finishThrough = [&](std::vector<size_t>& lane, size_t last, std::vector<size_t>& into) {
    const auto end = std::upper_bound(lane.begin(), lane.end(), last);
    for (auto transfer = lane.begin(); transfer != end; transfer++) touched.erase(*transfer);
    into.insert(into.end(), lane.begin(), end);
    lane.erase(lane.begin(), end);
  };
  for (size_t i = 0; i < launches.size(); i++) {
    const LaunchText& launch = launches[i];
    if (isTransfer(launch)) {
      const Touched ours(launch);
      for (auto& [id, lane] : underWay) {
        const auto last = std::find_if(lane.rbegin(), lane.rend(), [&](size_t other) { return ours.conflictsWith(touched.at(other)); });
        if (last != lane.rend()) finishThrough(lane, *last, finishes[i]);
      }
      std::sort(finishes[i].begin(), finishes[i].end());
      underWay[laneOf(launch)].push_back(i);
      touched.emplace(i, ours);
      latest[launch.event] = i;
    } else if (launch.kind == LaunchText::Kind::signal) {
      latest.erase(launch.event);  // the compute lane's own events are ordered by the list
    } else if (launch.kind == LaunchText::Kind::wait) {
      const auto signalled = latest.find(launch.event);
      if (signalled != latest.end()) finishThrough(underWay[laneOf(launches[signalled->second])], signalled->second, finishes[i]);
    }
  }
  for (const auto& [lane, transfers] : underWay) finishes.back().insert(finishes.back().end(), transfers.begin(), transfers.end());
  std::sort(finishes.back().begin(), finishes.back().end());
  return finishes;
}

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

// The running launch's exception with its place.
[[noreturn]] void rethrow(const char* code, const std::exception& error, const std::string& op, const std::string& at, int group) {
  if (const auto* known = dynamic_cast<const EngineError*>(&error)) throw EngineError(known->code, known->what(), op, at, group);
  throw EngineError(code, describeException(error), op, at, group);
}

}  // namespace

Program::Program(const ProgramText& text, Arena& arena, Groups* groups, bool watch) : device_(arena.device()) {
  const std::vector<LaunchText>& texts = text.launches;
  std::vector<std::vector<size_t>> finishes = resolveWaits(texts);
  last_ = std::move(finishes.back());

  // Every member makes its groups in this order, by id.
  std::vector<GroupText> ordered = text.groups;
  std::stable_sort(ordered.begin(), ordered.end(), [](const GroupText& a, const GroupText& b) { return a.id < b.id; });
  if (groups)
    for (const GroupText& group : ordered)
      if (std::find(group.ranks.begin(), group.ranks.end(), groups->options().rank) != group.ranks.end()) groups->group(group.id, group.ranks);

  std::vector<char*> workspaces(texts.size(), nullptr);
  launches_.reserve(texts.size());
  places_.reserve(texts.size());
  size_t index = 0;
  try {
    if (!groups && std::any_of(texts.begin(), texts.end(), isTransfer))
      throw EngineError("program-invalid", "the program communicates, but this rank has met no others: call rendezvous() before load()");
    placeWorkspaces(text, arena, groups, workspaces);
    for (; index < texts.size(); index++) {
      const LaunchText& launch = texts[index];
      Launch built{nullptr, nullptr, std::move(finishes[index])};
      switch (launch.kind) {
        case LaunchText::Kind::kernel:
        case LaunchText::Kind::copy:
          built.kernel = makeKernel(launch, arena);
          if (watch) built.kernel = watched(std::move(built.kernel), tensorsOf(launch, arena), launch.reads, index, nonFinite_);
          break;
        case LaunchText::Kind::collective:
          built.transfer = makeCollective(launch, arena, groups->group(launch.group, findGroup(text, launch.group).ranks), workspaces[index]);
          break;
        case LaunchText::Kind::send:
        case LaunchText::Kind::recv:
          built.transfer = makePointToPoint(launch, arena, groups->world());
          break;
        case LaunchText::Kind::signal:
        case LaunchText::Kind::wait:
          break;
      }
      launches_.push_back(std::move(built));
      places_.push_back({launch.name, launch.at, launch.group});
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

// Gives every reduce-scatter that brings no scratch a place to receive into. One memory serves all: a place is free again after
// the wait that ends its launch. First fit in launch order.
void Program::placeWorkspaces(const ProgramText& text, Arena& arena, Groups* groups, std::vector<char*>& workspaces) {
  constexpr int64_t alignment = 64;
  struct Placed {
    size_t launch;
    int64_t offset, bytes;
  };
  const std::vector<std::vector<size_t>> finishes = resolveWaits(text.launches);
  std::vector<Placed> live, all;
  int64_t total = 0;
  for (size_t i = 0; i < text.launches.size(); i++) {
    const LaunchText& launch = text.launches[i];
    for (const size_t ended : finishes[i]) std::erase_if(live, [&](const Placed& placed) { return placed.launch == ended; });
    if (launch.kind != LaunchText::Kind::collective) continue;
    const int64_t bytes = flotilla::workspaceBytes(launch, groups->group(launch.group, findGroup(text, launch.group).ranks));
    if (launch.scratch) {
      workspaces[i] = arena.address(launch.scratch->offset, launch.scratch->bytes);
      if (launch.scratch->bytes < bytes)
        throw EngineError("program-invalid", "launch " + std::to_string(i) + " needs " + std::to_string(bytes) + " bytes of scratch", launch.name, launch.at);
    } else if (bytes > 0) {
      const int64_t padded = (bytes + alignment - 1) / alignment * alignment;
      std::sort(live.begin(), live.end(), [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
      int64_t offset = 0;
      for (const Placed& placed : live) {
        if (offset + padded <= placed.offset) break;
        offset = std::max(offset, placed.offset + placed.bytes);
      }
      live.push_back({i, offset, padded});
      all.push_back(live.back());
      total = std::max(total, offset + padded);
    }
  }
  if (total == 0) return;
  workspace_ = std::make_unique<Arena>(arena.device(), total);
  for (const Placed& placed : all) workspaces[placed.launch] = workspace_->address(placed.offset, placed.bytes);
}

StepReport Program::run(Waiter& waiter, bool traced) {
  const auto seconds = [](Clock::duration duration) { return std::chrono::duration<double>(duration).count(); };
  const Clock::time_point begin = Clock::now();
  StepReport report;
  nonFinite_ = {};
  if (traced) std::fill(times_.begin(), times_.end(), LaunchTimes{0, 0, std::numeric_limits<double>::quiet_NaN()});
  for (size_t index = 0; index < launches_.size(); index++) {
    Launch& launch = launches_[index];
    if (traced) times_[index].start = seconds(Clock::now() - begin);
    if (!launch.finishes.empty()) {
      const Clock::time_point waiting = Clock::now();
      for (const size_t transfer : launch.finishes) finish(transfer, waiter, traced, begin);
      report.waitSeconds += seconds(Clock::now() - waiting);
    }
    try {
      if (launch.kernel) {
        if (waiter.aborted()) waiter.check();
        launch.kernel->run();
      } else if (launch.transfer) {
        launch.transfer->start();
      }
    } catch (const std::exception& error) {
      const Place& place = places_[index];
      rethrow(launch.transfer ? "collective-failed" : "kernel-failed", error, place.op, place.at, place.group);
    }
    if (traced && launch.transfer)
      launch.transfer->onCompletion([this, index, begin, seconds] { times_[index].completed = seconds(Clock::now() - begin); });
    if (traced) times_[index].end = seconds(Clock::now() - begin);
  }
  const Clock::time_point waiting = Clock::now();
  for (const size_t transfer : last_) finish(transfer, waiter, traced, begin);
  if (!device_.is_cpu()) {
    const c10::impl::VirtualGuardImpl guard(device_.type());
    guard.synchronizeStream(guard.getStream(device_));
  }
  report.waitSeconds += seconds(Clock::now() - waiting);
  report.seconds = seconds(Clock::now() - begin);
  return report;
}

void Program::finish(size_t index, Waiter& waiter, bool traced, Clock::time_point begin) {
  try {
    launches_[index].transfer->finish(waiter);
  } catch (const std::exception& error) {
    const Place& place = places_[index];
    rethrow("collective-failed", error, place.op, place.at, place.group);
  }
  // Where the backend told nothing, the wait's end is the first sign of the data.
  if (traced && times_[index].completed != times_[index].completed)
    times_[index].completed = std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace flotilla
