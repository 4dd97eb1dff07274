// gather:       out[t] = table[ids[t] − origin], a row of zeros where that lies outside [0, v)
// scatter_add:  table[ids[t] − origin] += src[t] in the order of t, rows outside nowhere; the table is zeroed first unless
//               accumulate. Its transpose: the gradient of an embedding.
// ids i32 or i64. table, out and src f32, bf16 or f64. Sums are f32 (f64: f64).
// A task owns a block of columns and a quarter of the table's rows, so nothing is added twice at once and no atomics are
// needed: the same bits for any number of threads. Workspace: for a bf16 table its sums in f32, rounded once at the end. No
// allocation, no aliasing.
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

// sums[v c] += rows of src; zeroed first unless accumulate.
template <class T, class Index>
struct ScatterAdd {
  using A = Accumulator<T>;
  int64_t t, v, c, origin;
  bool accumulate;
  RowView<const T> src;
  const Index* ids;
  RowView<A> sums;
  RowView<bf16> rounded;  // where the table is bf16, else no data

  void run() const {
    if (!accumulate || rounded.data)
      parallelBlocks(v, rowsPerTask(c), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
          if (accumulate) for (int64_t j = 0; j < c; j++) sums.row(i)[j] = widen(rounded.row(i)[j]);
          else std::memset(sums.row(i), 0, c * sizeof(A));
        }
      });
    constexpr int64_t quarters = 4, columns = 64;
    const int64_t blocks = ceilDiv(c, columns), rows = ceilDiv(v, quarters);
    parallelTasks(quarters * blocks, [&](int64_t task) {
      const int64_t first = task / blocks * rows, last = std::min(v, first + rows);
      const int64_t j0 = task % blocks * columns, width = std::min(columns, c - j0);
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t i = 0; i < t; i++) {
          const int64_t id = int64_t(ids[i]) - origin;
          if (id >= first && id < last) addRow(src.row(i) + j0, sums.row(id) + j0, width);
        }
      });
    });
    if (rounded.data)
      parallelBlocks(v, rowsPerTask(c), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++)
          for (int64_t j = 0; j < c; j++) rounded.row(i)[j] = narrow<bf16>(sums.row(i)[j]);
      });
  }

  FLOTILLA_INLINE static void addRow(const T* from, A* to, int64_t width) {
#pragma omp simd
    for (int64_t j = 0; j < width; j++) to[j] += widen(from[j]);
  }
};

std::unique_ptr<Kernel> scatterAdd(const KernelCall& call) {
  requireOperands(call, 3);
  const Operand& source = operand(call, 0, 2);
  const Operand& table = operand(call, 2, 2);
  const int64_t t = source.sizes[0], v = table.sizes[0], c = table.sizes[1];
  require(call, source.sizes[1] == c, "src[t c], ids[t] -> table[v c]");
  return withFloat(call, source.dtype, [&]<class T>(Tag<T>) {
    return withIndex(call, call.operands[1].dtype, [&]<class Index>(Tag<Index>) {
      using A = Accumulator<T>;
      const bool rounds = table.dtype == DType::bf16;
      require(call, table.dtype == dtypeOf<A> || (rounds && sizeof(A) == 4), "the table is f32 or bf16 (f64 for f64)");
      if (rounds) requireScratch(call, v * c * 4);
      const ScatterAdd<T, Index> run{t, v, c, int64_t(number(call, "origin", 0)), number(call, "accumulate", 0) != 0,
                                     rowView<const T>(call, 0), vectorOf<const Index>(call, 1, t),
                                     rounds ? RowView<A>{static_cast<A*>(call.scratch), c} : rowView<A>(call, 2),
                                     rounds ? rowView<bf16>(call, 2) : RowView<bf16>{nullptr, 0}};
      return makeKernel([run] { run.run(); });
    });
  });
}

const KernelRegistration registerGather{"gather", byDevice<gather>};
const KernelRegistration registerScatterAdd{"scatter_add", byDevice<scatterAdd>};

}  // namespace
}  // namespace flotilla
