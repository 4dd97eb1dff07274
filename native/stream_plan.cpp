#include "stream_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "streams.h"

namespace flotilla {

bool isTransfer(const LaunchText& launch) {
  return launch.kind == LaunchText::Kind::collective || launch.kind == LaunchText::Kind::send || launch.kind == LaunchText::Kind::recv;
}

namespace {

// Lanes as the program names them: what they do, and which group does it or is at the other end.
using LaneName = std::pair<LaunchText::Kind, int>;

LaneName laneOf(const LaunchText& launch) {
  return {launch.kind, launch.kind == LaunchText::Kind::collective ? launch.group : launch.lane};
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

class Planner {
 public:
  explicit Planner(const std::vector<LaunchText>& launches) : launches_(launches) {
    grow(Streams::compute);
    clocks_[Streams::compute][Streams::compute] = 1;  // what the host has copied in before the step
  }

  StreamPlan run() {
    for (size_t i = 0; i < launches_.size(); i++) {
      plan_.first.push_back(plan_.ops.size());
      plan_.streamOf.push_back(Streams::compute);
      const LaunchText& launch = launches_[i];
      if (isTransfer(launch)) transfer(i);
      else if (launch.kind == LaunchText::Kind::wait) wait(i);
      else if (launch.kind == LaunchText::Kind::signal) latest_.erase(launch.event);  // compute's own events are ordered by the list
      else compute(i);
    }
    plan_.first.push_back(plan_.ops.size());
    plan_.streams = static_cast<int>(clocks_.size());
    return std::move(plan_);
  }

 private:
  // Of each stream, how many of its points another stream is after.
  using Clock = std::vector<size_t>;

  struct Transfer {
    int stream;
    size_t point;  // its place on its stream, from 1
    size_t event;
    Clock after;  // what is over once it is
    Touched touched;
  };

  void compute(size_t i) {
    clocks_[Streams::compute][Streams::compute]++;
    op(StreamOp::Kind::launch, Streams::compute, i);
  }

  void transfer(size_t i) {
    const int stream = streamOf(laneOf(launches_[i]));
    plan_.streamOf[i] = stream;
    afterCompute(stream);
    const Touched ours(launches_[i]);
    bool onOwnLane = false;
    for (auto other = underWay_.rbegin(); other != underWay_.rend(); other++) {
      // On our own lane too: its backend may begin this one before the other has ended.
      const bool over = other->stream == stream ? onOwnLane : clocks_[stream][other->stream] >= other->point;
      if (over || !ours.conflictsWith(other->touched)) continue;
      onOwnLane = onOwnLane || other->stream == stream;
      op(StreamOp::Kind::wait, stream, other->event);
      merge(clocks_[stream], other->after);
    }
    const size_t point = ++clocks_[stream][stream], event = plan_.events++;
    op(StreamOp::Kind::launch, stream, i);
    op(StreamOp::Kind::record, stream, event);
    underWay_.push_back({stream, point, event, clocks_[stream], ours});
    latest_.insert_or_assign(launches_[i].event, underWay_.back());
  }

  void wait(size_t i) {
    const auto found = latest_.find(launches_[i].event);
    if (found == latest_.end()) return;
    const Transfer& named = found->second;
    Clock& clock = clocks_[Streams::compute];
    if (clock[named.stream] >= named.point) return;
    op(StreamOp::Kind::wait, Streams::compute, named.event);
    merge(clock, named.after);
    clock[Streams::compute]++;  // communication launched from here on is after it too
    std::erase_if(underWay_, [&](const Transfer& transfer) { return clock[transfer.stream] >= transfer.point; });
  }

  // Orders a lane after all that compute has been given.
  void afterCompute(int stream) {
    const Clock& computed = clocks_[Streams::compute];
    if (clocks_[stream][Streams::compute] == computed[Streams::compute]) return;
    if (recorded_ != computed[Streams::compute]) {
      recorded_ = computed[Streams::compute];
      recordedEvent_ = plan_.events++;
      op(StreamOp::Kind::record, Streams::compute, recordedEvent_);
    }
    op(StreamOp::Kind::wait, stream, recordedEvent_);
    merge(clocks_[stream], computed);
  }

  int streamOf(const LaneName& lane) {
    const auto [found, added] = lanes_.emplace(lane, static_cast<int>(clocks_.size()));
    if (added) grow(found->second);
    return found->second;
  }

  void grow(int stream) {
    clocks_.resize(stream + 1);
    for (Clock& clock : clocks_) clock.resize(clocks_.size(), 0);
  }

  static void merge(Clock& clock, const Clock& other) {
    for (size_t stream = 0; stream < other.size(); stream++) clock[stream] = std::max(clock[stream], other[stream]);
  }

  void op(StreamOp::Kind kind, int stream, size_t at) { plan_.ops.push_back({kind, stream, at}); }

  const std::vector<LaunchText>& launches_;
  StreamPlan plan_;
  std::vector<Clock> clocks_;  // by stream
  std::map<LaneName, int> lanes_;
  std::vector<Transfer> underWay_;      // that compute is not after
  std::map<int64_t, Transfer> latest_;  // by event of the program
  size_t recorded_ = 0;                 // compute's point at its last record
  size_t recordedEvent_ = 0;
};

}  // namespace

StreamPlan planStreams(const std::vector<LaunchText>& launches) { return Planner(launches).run(); }

}  // namespace flotilla
