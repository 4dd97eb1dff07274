// gather:       out[t] = table[ids[t] − origin], a row of zeros where that lies outside [0, v)
// scatter_add:  table[ids[t] − origin] += src[t] in the order of t, rows outside nowhere; the table is zeroed first unless
//               accumulate. Its transpose: the gradient of an embedding.
// ids i32 or i64. gather: table and out f32, bf16 or f64. scatter_add: src f32, bf16 or f64; table f32, or f64 for f64 (a sum
// in bf16 would lose what is added; cast afterwards).
// A task owns a block of columns and a quarter of the table's rows, so nothing is added twice at once and no atomics are
// needed: the same bits for any number of threads. No workspace, no allocation, no aliasing.
#include <cstring>

#include "rows.h"

namespace flotilla {

namespace {

std::unique_ptr<Kernel> gather(const KernelCall& call) {
  requireOperands(call, 3);
  const Operand& table = operand(call, 0, 2);
  const Operand& out = operand(call, 2, 2);
  const int64_t v = table.sizes[0], c = table.sizes[1], t = out.sizes[0], origin = int64_t(number(call, "origin", 0));
  require(call, out.sizes[1] == c, "table[v c], ids[t] -> out[t c]");
  return withFloat(call, table.dtype, [&]<class T>(Tag<T>) {
    return withFloatBeside<T>(call, out.dtype, [&]<class Y>(Tag<Y>) {
      return withIndex(call, call.operands[1].dtype, [&]<class Index>(Tag<Index>) {
        const RowView<const T> from = rowView<const T>(call, 0);
        const RowView<Y> to = rowView<Y>(call, 2);
        const Index* ids = vectorOf<const Index>(call, 1, t);
        return makeKernel([=] {
          parallelBlocks(t, rowsPerTask(c), [&](int64_t begin, int64_t end) {
            vectorised([&]() FLOTILLA_INLINE {
              for (int64_t i = begin; i < end; i++) {
                const int64_t id = int64_t(ids[i]) - origin;
                Y* row = to.row(i);
                if (id < 0 || id >= v) {
                  std::memset(static_cast<void*>(row), 0, c * sizeof(Y));
                  continue;
                }
                const T* source = from.row(id);
#pragma omp simd
                for (int64_t j = 0; j < c; j++) row[j] = narrow<Y>(widen(source[j]));
              }
            });
          });
        });
      });
    });
  });
}

std::unique_ptr<Kernel> scatterAdd(const KernelCall& call) {
  requireOperands(call, 3);
  const Operand& source = operand(call, 0, 2);
  const Operand& table = operand(call, 2, 2);
  const int64_t t = source.sizes[0], v = table.sizes[0], c = table.sizes[1], origin = int64_t(number(call, "origin", 0));
  const bool accumulate = number(call, "accumulate", 0) != 0;
  require(call, source.sizes[1] == c, "src[t c], ids[t] -> table[v c]");
  return withFloat(call, source.dtype, [&]<class T>(Tag<T>) {
    return withIndex(call, call.operands[1].dtype, [&]<class Index>(Tag<Index>) {
      using A = Accumulator<T>;
      require(call, table.dtype == dtypeOf<A>, "the table is f32 (f64 for f64)");
      const RowView<const T> from = rowView<const T>(call, 0);
      const RowView<A> to = rowView<A>(call, 2);
      const Index* ids = vectorOf<const Index>(call, 1, t);
      return makeKernel([=] {
        if (!accumulate)
          parallelBlocks(v, rowsPerTask(c), [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; i++) std::memset(to.row(i), 0, c * sizeof(A));
          });
        constexpr int64_t quarters = 4, columns = 64;
        const int64_t blocks = ceilDiv(c, columns), rows = ceilDiv(v, quarters);
        parallelTasks(quarters * blocks, [&](int64_t task) {
          const int64_t first = task / blocks * rows, last = std::min(v, first + rows);
          const int64_t j0 = task % blocks * columns, j1 = std::min(c, j0 + columns);
          vectorised([&]() FLOTILLA_INLINE {
            for (int64_t i = 0; i < t; i++) {
              const int64_t id = int64_t(ids[i]) - origin;
              if (id < first || id >= last) continue;
              const T* add = from.row(i);
              A* row = to.row(id);
#pragma omp simd
              for (int64_t j = j0; j < j1; j++) row[j] += widen(add[j]);
            }
          });
        });
      });
    });
  });
}

const KernelRegistration registerGather{"gather", byDevice<gather>};
const KernelRegistration registerScatterAdd{"scatter_add", byDevice<scatterAdd>};

}  // namespace
}  // namespace flotilla
