// Communication as a program launches it. A transfer is prepared when the program is loaded: tensors, counts and options are fixed
// then, so that starting one builds nothing of ours.
#pragma once

#include <memory>

#include "arena.h"
#include "groups.h"
#include "program_text.h"
#include "waiter.h"

namespace flotilla {

class Transfer {
 public:
  virtual ~Transfer() = default;

  // Begins; returns at once. On the CPU its input must be final; on CUDA the backend orders itself after the current stream.
  virtual void start() = 0;

  // Waits until the output is in place and the input may be overwritten, as `waits` waits, and does what is left to do locally.
  virtual void finish(Waits& waits) = 0;

  // Where a trace wants to know when the data had arrived, although nobody waited yet: called by the backend's thread.
  virtual void onCompletion(std::function<void()> callback) {}
};

// Prepares a collective. Throws std::invalid_argument where the launch contradicts itself, or brings less scratch than it needs
// (kernels/workspaces.h).
//
//   all_reduce      Gloo's ring (NCCL's choice on CUDA): the same bits on every member. bf16 and f16 round after every addition.
//   all_gather      sends and receives; exact for uneven blocks (outputCounts)
//   reduce_scatter  sends and receives, then a sum in rank order in the value's dtype: the same bits in every run; uneven blocks
//                   by inputCounts; the other members' blocks arrive in its scratch
//   all_to_all      sends and receives; uneven blocks by both counts
//   broadcast       from member `root`
//   permute         ours to member `to`, ours from member `from`; each may be absent
//
// Input and output are contiguous. They may be one view (all_reduce, broadcast), and a member's own block of the longer one may be
// the shorter one (all_gather, reduce_scatter); otherwise they do not overlap.
std::unique_ptr<Transfer> makeCollective(const LaunchText& launch, const Arena& arena, Group& group);

// Prepares a send to, or a receive from, a rank of the world. The k-th receive of a (peer, tag) takes the k-th send.
std::unique_ptr<Transfer> makePointToPoint(const LaunchText& launch, const Arena& arena, const Groups::Channel& channel);

}  // namespace flotilla
