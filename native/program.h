// A loaded program: one rank's launches with everything resolved. Running it walks a list.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "arena.h"
#include "groups.h"
#include "non_finite.h"
#include "program_text.h"
#include "transfer.h"
#include "waiter.h"

namespace flotilla {

struct StepReport {
  double seconds = 0;
  double waitSeconds = 0;  // the part of it in which the executor waited for communication
};

// Times of one launch in seconds since the step began: when the executor took it up, when it went on to the next one, and, for
// communication, when the data was known to have arrived.
struct LaunchTimes {
  double start = 0;
  double end = 0;
  double completed = 0;
};

class Program {
 public:
  // `groups` may be null for a program without communication. With `watch`, every kernel looks for what is not finite. Throws
  // EngineError 'program-invalid' or 'kernel-unknown', or what making a group throws.
  Program(const ProgramText& text, Arena& arena, Groups* groups, bool watch);
  ~Program();

  // One step: every launch in order, then what communication is still under way. Allocates nothing of ours unless traced.
  StepReport run(Waiter& waiter, bool traced);

  size_t launches() const { return launches_.size(); }
  // Memory outside the arena that holds what reduce-scatters receive (none where the program gives them scratch).
  int64_t workspaceBytes() const { return workspace_ ? workspace_->bytes() : 0; }
  // Of the last traced step, one for each launch.
  const std::vector<LaunchTimes>& times() const { return times_; }
  // Of the last step of a watched program: what a kernel first saw.
  const NonFinite& nonFinite() const { return nonFinite_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct Launch {
    std::unique_ptr<Kernel> kernel;      // kernels and copies
    std::unique_ptr<Transfer> transfer;  // communication
    std::vector<size_t> finishes;        // communication that must have ended before it, in launch order
  };
  // What an error message needs of a launch.
  struct Place {
    std::string op;
    std::string at;
    int group;
  };

  void placeWorkspaces(const ProgramText& text, Arena& arena, Groups* groups, std::vector<char*>& workspaces);
  void finish(size_t index, Waiter& waiter, bool traced, Clock::time_point begin);

  std::vector<Launch> launches_;
  std::vector<Place> places_;
  std::vector<size_t> last_;  // communication that no wait ends
  std::unique_ptr<Arena> workspace_;
  std::vector<LaunchTimes> times_;
  NonFinite nonFinite_;
  at::Device device_;
};

}  // namespace flotilla
