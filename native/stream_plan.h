// Which stream each launch of a program runs on, and which events order the streams: what the list of launches says in its order and
// its waits, for streams that know no order but their own.
//
//   compute        kernels and copies, in the order of the list
//   a lane         communication of one group, all sends to a group of ranks, or all receives from one, in the order of the list
//
//   a wait         compute goes on after the communication it names, and so after what that lane launched before it
//   communication  begins after all that compute launched before it, and after communication (on any lane) that writes what it touches or
//                  touches what it writes
//
// What a stream is after already, by whatever way (vector clocks: Fidge 1988, Mattern 1989), it does not wait for again.
#pragma once

#include <cstddef>
#include <vector>

#include "program_text.h"

namespace flotilla {

struct StreamOp {
  enum class Kind { launch, record, wait };
  Kind kind;
  int stream;
  size_t at;  // a launch, or an event

  bool operator==(const StreamOp&) const = default;
};

struct StreamPlan {
  int streams = 1;
  size_t events = 0;
  std::vector<StreamOp> ops;
  std::vector<size_t> first;  // the ops of launch i: from first[i] up to first[i + 1]
  std::vector<int> streamOf;  // of each launch
};

StreamPlan planStreams(const std::vector<LaunchText>& launches);

bool isTransfer(const LaunchText& launch);

}  // namespace flotilla
