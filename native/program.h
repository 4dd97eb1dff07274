// A loaded program: one rank's launches with everything resolved. Running it walks a list.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arena.h"
#include "groups.h"
#include "non_finite.h"
#include "program_text.h"
#include "stream_plan.h"
#include "streams.h"
#include "transfer.h"

namespace flotilla {

struct StepReport {
  double seconds = 0;
  double waitSeconds = 0;  // the part of it in which the host waited for communication or for the device
};

class Program {
 public:
  // `groups` may be null for a program without communication. With `watch`, every kernel looks for what is not finite. Throws
  // EngineError 'program-invalid' or 'kernel-unknown', or what making a group throws.
  Program(const ProgramText& text, Arena& arena, Groups* groups, Streams& streams, bool watch);
  ~Program();

  // One step: every launch handed to its stream, in order, then the wait for all of them. Allocates nothing of ours unless traced.
  StepReport run(bool traced);

  size_t launches() const { return launches_.size(); }
  // Of the last traced step, one for each launch.
  const std::vector<LaunchTimes>& times() const { return times_; }
  const std::vector<double>* libraryBytes() const { return streams_.libraryBytes(); }
  // Of the last step of a watched program: what a kernel first saw.
  const NonFinite& nonFinite() const { return nonFinite_; }

 private:
  class Launch;

  void handOver(size_t index, bool traced);

  Streams& streams_;
  StreamPlan plan_;
  std::vector<std::unique_ptr<Launch>> launches_;  // none where there is nothing to run: signals and waits
  std::vector<LaunchTimes> times_;
  NonFinite nonFinite_;
};

}  // namespace flotilla
