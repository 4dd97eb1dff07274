#include "inline_streams.h"

#include <algorithm>
#include <cmath>

namespace flotilla {

void InlineStreams::reserve(int streams, size_t events, size_t launches) {
  if (static_cast<int>(lanes_.size()) < streams) lanes_.resize(streams);
  for (Lane& lane : lanes_) lane.begun.reserve(launches);
  if (marks_.size() < events) marks_.resize(events);
}

void InlineStreams::begin(std::vector<LaunchTimes>* times) {
  for (Lane& lane : lanes_) lane.begun.clear(), lane.finished = 0;
  times_ = times;
  waitSeconds_ = 0;
  begin_ = Clock::now();
}

void InlineStreams::launch(int stream, size_t index, StreamTask& task) {
  waiter_.check();
  task.start();
  if (stream == compute) return;
  lanes_[stream].begun.push_back({index, &task});
  if (times_) task.onCompletion([this, index, times = times_] { (*times)[index].completed = now(); });
}

void InlineStreams::record(size_t event, int stream) { marks_[event] = {stream, lanes_[stream].begun.size()}; }

void InlineStreams::wait(int, size_t event) { finishThrough(marks_[event].lane, marks_[event].count); }

void InlineStreams::finishThrough(int index, size_t count) {
  Lane& lane = lanes_[index];
  if (lane.finished >= count) return;
  const Clock::time_point waiting = Clock::now();
  while (lane.finished < count) {
    const Begun& next = lane.begun[lane.finished++];
    next.task->finish(waiter_);
    // Where the backend told nothing, the wait's end is the first sign of the data.
    if (times_ && std::isnan((*times_)[next.index].completed)) (*times_)[next.index].completed = now();
  }
  waitSeconds_ += std::chrono::duration<double>(Clock::now() - waiting).count();
}

void InlineStreams::beginLaunch(size_t index, int) { (*times_)[index].start = now(); }

void InlineStreams::endLaunch(size_t index, int) { (*times_)[index].end = now(); }

void InlineStreams::finish() {
  // In the order in which they began, whatever the lane.
  for (;;) {
    Lane* next = nullptr;
    for (Lane& lane : lanes_)
      if (lane.finished < lane.begun.size() && (!next || lane.begun[lane.finished].index < next->begun[next->finished].index)) next = &lane;
    if (!next) return;
    finishThrough(static_cast<int>(next - lanes_.data()), next->finished + 1);
  }
}

}  // namespace flotilla
