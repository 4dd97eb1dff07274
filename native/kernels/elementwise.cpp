#include "elementwise.h"

#include "runs.h"

#include <array>
#include <cstring>

namespace flotilla {

namespace {

constexpr int maxOperands = 8;
constexpr int maxDimensions = 8;
constexpr int64_t taskElements = 16384;

// The dimensions that all operands share, outermost first, merged where every operand allows it.
struct Nest {
  int dimensions = 0;
  int64_t sizes[maxDimensions];
  int64_t strides[maxDimensions][maxOperands];
};

Nest nestOf(const KernelCall& call) {
  const auto& operands = call.operands;
  const Operand& last = operands.back();
  for (const Operand& o : operands)
    require(call, o.sizes == last.sizes && o.strides.size() == o.sizes.size(), "operands of one shape (stride 0 broadcasts)");
  std::vector<size_t> order;
  for (size_t i = 0; i < last.sizes.size(); i++)
    if (last.sizes[i] != 1) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return last.strides[a] > last.strides[b]; });
  Nest nest;
  for (const size_t i : order) {
    bool merges = nest.dimensions > 0;
    for (size_t o = 0; o < operands.size() && merges; o++)
      merges = nest.strides[nest.dimensions - 1][o] == operands[o].strides[i] * last.sizes[i];
    if (!merges) {
      require(call, nest.dimensions < maxDimensions, "at most 8 dimensions that do not merge");
      nest.sizes[nest.dimensions++] = 1;
    }
    nest.sizes[nest.dimensions - 1] *= last.sizes[i];
    for (size_t o = 0; o < operands.size(); o++) nest.strides[nest.dimensions - 1][o] = operands[o].strides[i];
  }
  if (nest.dimensions == 0) {
    nest.sizes[nest.dimensions++] = 1;
    for (size_t o = 0; o < operands.size(); o++) nest.strides[0][o] = 1;
  }
  return nest;
}

template <class A>
struct Elementwise {
  Nest nest;
  int inputs, outputs;
  std::array<Port, maxOperands> ports;
  ElementFunction<A> function;
  std::array<A, 4> parameters;

  void run() const {
    const int64_t inner = nest.sizes[nest.dimensions - 1];
    int64_t outer = 1;
    for (int d = 0; d + 1 < nest.dimensions; d++) outer *= nest.sizes[d];
    if (inner == 0 || outer == 0) return;
    if (outer == 1) {
      parallelBlocks(inner, taskElements, [&](int64_t begin, int64_t end) { runs(0, begin, end); });
    } else {
      parallelBlocks(outer, std::max<int64_t>(1, taskElements / inner), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) runs(row, 0, inner);
      });
    }
  }

  // Elements [begin, end) of one innermost row.
  void runs(int64_t row, int64_t begin, int64_t end) const {
    const int last = nest.dimensions - 1, operands = inputs + outputs;
    int64_t offset[maxOperands] = {};
    for (int d = last - 1; d >= 0; d--) {
      const int64_t index = row % nest.sizes[d];
      row /= nest.sizes[d];
      for (int o = 0; o < operands; o++) offset[o] += index * nest.strides[d][o];
    }
    alignas(64) A buffers[maxOperands][runElements];
    for (int64_t i = begin; i < end; i += runElements) {
      const int64_t n = std::min(runElements, end - i);
      const A* in[maxOperands];
      A* out[maxOperands];
      for (int o = 0; o < inputs; o++) in[o] = fetch(ports[o], at(o, offset[o], i), nest.strides[last][o], n, buffers[o]);
      for (int o = inputs; o < operands; o++)
        out[o - inputs] = direct(o) ? reinterpret_cast<A*>(at(o, offset[o], i)) : buffers[o];
      function(in, out, n, parameters.data());
      for (int o = inputs; o < operands; o++)
        if (!direct(o)) deliver(ports[o], static_cast<const A*>(buffers[o]), n, at(o, offset[o], i), nest.strides[last][o]);
    }
  }

  char* at(int o, int64_t offset, int64_t i) const {
    return ports[o].data + (offset + i * nest.strides[nest.dimensions - 1][o]) * ports[o].bytes;
  }
  bool direct(int o) const { return ports[o].dtype == dtypeOf<A> && nest.strides[nest.dimensions - 1][o] == 1; }
};

template <class A>
std::unique_ptr<Kernel> build(const KernelCall& call, const ElementOp& op, ElementFunction<A> function) {
  Elementwise<A> run{nestOf(call), op.inputs, op.outputs, {}, function, {}};
  for (size_t i = 0; i < call.operands.size(); i++) {
    const Operand& o = call.operands[i];
    run.ports[i] = {static_cast<char*>(o.data), o.dtype, elementBytes(o.dtype)};
  }
  size_t count = 0;
  for (const char* name : op.parameters) run.parameters[count++] = A(number(call, name));
  for (const auto& [name, otherwise] : op.options) run.parameters[count++] = A(number(call, name, otherwise));
  return makeKernel([run] { run.run(); });
}

// The same bytes elsewhere: runs that are contiguous on both sides.
struct CopyRuns {
  Nest nest;
  const char* from;
  char* to;
  int64_t bytes;

  void run() const {
    const int last = nest.dimensions - 1;
    const int64_t inner = nest.sizes[last];
    int64_t outer = 1;
    for (int d = 0; d < last; d++) outer *= nest.sizes[d];
    if (outer == 1) {
      parallelBlocks(inner, 8 * taskElements, [&](int64_t begin, int64_t end) {
        std::memcpy(to + begin * bytes, from + begin * bytes, (end - begin) * bytes);
      });
      return;
    }
    const int64_t rows = std::max<int64_t>(1, 4 * taskElements / std::max<int64_t>(1, inner));
    parallelBlocks(inner ? outer : 0, rows, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        int64_t rest = row, source = 0, target = 0;
        for (int d = last - 1; d >= 0; rest /= nest.sizes[d], d--) {
          source += rest % nest.sizes[d] * nest.strides[d][0];
          target += rest % nest.sizes[d] * nest.strides[d][1];
        }
        std::memcpy(to + target * bytes, from + source * bytes, inner * bytes);
      }
    });
  }
};

}  // namespace

std::unique_ptr<Kernel> makeCast(const KernelCall& call, const ElementOp& identity) {
  requireOperands(call, 2);
  const Operand &x = call.operands[0], &y = call.operands[1];
  const Nest nest = nestOf(call);
  const auto& inner = nest.strides[nest.dimensions - 1];
  if (x.dtype != y.dtype || inner[0] != 1 || inner[1] != 1) return makeElementwise(call, identity);
  const CopyRuns run{nest, static_cast<const char*>(x.data), static_cast<char*>(y.data), elementBytes(x.dtype)};
  return makeKernel([run] { run.run(); });
}

std::unique_ptr<Kernel> makeElementwise(const KernelCall& call, const ElementOp& op) {
  requireOperands(call, size_t(op.inputs + op.outputs));
  require(call, call.operands.size() <= maxOperands, "at most 8 operands");
  const bool wide = std::any_of(call.operands.begin(), call.operands.end(), [](const Operand& o) {
    return o.dtype == DType::f64 || o.dtype == DType::i64 || o.dtype == DType::i32;
  });
  return wide ? build<double>(call, op, op.f64) : build<float>(call, op, op.f32);
}

}  // namespace flotilla
