// A program as src/engine/native/loaded_program.ts writes it: one rank's launches, unrolled, in launch order.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel.h"

namespace flotilla {

// Part of the arena. Offset in bytes, strides in elements.
struct View {
  int64_t offset = 0;
  DType dtype = DType::f32;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;

  int64_t elements() const;
};

struct Bytes {
  int64_t offset = 0;
  int64_t bytes = 0;
};

enum class Reduction { none, sum, max };

struct LaunchText {
  enum class Kind { kernel, collective, send, recv, copy, signal, wait };

  Kind kind = Kind::kernel;
  std::string name;         // the kernel or the collective
  std::vector<View> views;  // a kernel's operands; a collective's input and output; a copy's from and to; what is sent or received
  size_t reads = 0;         // kernel, copy: how many of the views, from the first, are read
  std::optional<Bytes> scratch;
  std::map<std::string, std::vector<double>> numbers;
  int group = -1;
  Reduction reduction = Reduction::none;
  std::vector<int64_t> inputCounts;   // elements for each member; empty for an even split
  std::vector<int64_t> outputCounts;  // elements from each member; empty for an even split
  int to = -1;    // permute: the member that receives ours; -1 for none
  int from = -1;  // permute: the member whose value we receive
  int root = 0;   // broadcast
  int peer = -1;  // send, recv: a rank of the world
  int lane = 0;   // send, recv: the group of ranks at the other end
  int tag = 0;
  int64_t event = -1;
  std::string at;
};

struct GroupText {
  int id = 0;
  std::vector<int> ranks;
};

struct ProgramText {
  std::vector<GroupText> groups;
  std::vector<LaunchText> launches;
};

// Throws EngineError 'program-invalid' naming the launch and the field.
ProgramText parseProgram(std::string_view json);

}  // namespace flotilla
