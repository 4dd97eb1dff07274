// Where the operands of attention and its backward stand: q, k, v, then the optional ones that the call has, then the rest.
#pragma once

#include <cstddef>

namespace flotilla {

struct AttentionOperands {
  static constexpr size_t none = ~size_t(0);
  size_t starts, ends, sinks, slopes, bias, rest = 3;

  // `has` says of a name whether the call has the operand: its attribute of that name is 1.
  template <class Has>
  explicit AttentionOperands(Has&& has) {
    const auto next = [&](const char* name) { return has(name) ? rest++ : none; };
    starts = next("starts"), ends = next("ends"), sinks = next("sinks"), slopes = next("slopes"), bias = next("bias");
  }
};

}  // namespace flotilla
