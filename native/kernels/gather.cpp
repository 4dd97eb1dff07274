// gather:       out[a s c] = Σ_k table[a, ids[a s k], c], nothing where an id lies outside
// scatter_add:  table[a, ids[a s k], c] += src[a s c] in the order of s, then k; rows outside go nowhere. The table is zeroed first
//               unless accumulate. The transpose of gather: the gradient of an embedding, tokens on their way to experts.
// One operand of ids for each addressed dimension of the table, table[a v0 v1 … c]; each counts from its own `origin`.
// ids i32 or i64. table, out and src f32, bf16 or f64 (gather: i32 or i64 too, out the same). Sums are f32 (f64: f64, integers: i64).
// A scattering task owns a block of columns and a range of the first addressed dimension, so nothing is added twice at once and no
// atomics are needed: the same bits for any number of threads. Workspace: for a bf16 table its sums in f32, rounded once at the
// end. No allocation, no aliasing.
#include <cstring>

#include "rows.h"
#include "workspaces.h"

namespace flotilla {

namespace {

constexpr int maxIds = 4;

// A table[a v0 v1 … c]: where its rows lie.
struct TableShape {
  int ids;
  int64_t a, c;
  int64_t sizes[maxIds];
  int64_t batchStep, steps[maxIds];

  int64_t places() const {
    int64_t n = 1;
    for (int i = 0; i < ids; i++) n *= sizes[i];
    return n;
  }
  int64_t rows() const { return a * places(); }
  // Row r of a · v0 · v1 · …, counted in that order.
  FLOTILLA_INLINE int64_t row(int64_t r) const {
    int64_t offset = 0;
    for (int i = ids - 1; i >= 0; r /= sizes[i], i--) offset += r % sizes[i] * steps[i];
    return offset + r * batchStep;
  }
  // The same table without gaps.
  TableShape packed() const {
    TableShape t = *this;
    int64_t step = c;
    for (int i = ids - 1; i >= 0; step *= sizes[i], i--) t.steps[i] = step;
    t.batchStep = step;
    return t;
  }
};

TableShape tableShape(const KernelCall& call, size_t i, int ids) {
  const Operand& o = operand(call, i, size_t(ids) + 2);
  TableShape t{ids, o.sizes[0], o.sizes.back(), {}, o.strides[0], {}};
  for (int d = 0; d < ids; d++) t.sizes[d] = o.sizes[d + 1], t.steps[d] = o.strides[d + 1];
  return t;
}

// The ids of a call, as offsets of rows in a table.
template <class Index>
struct Places {
  TableShape table;
  int64_t s, k;
  const Index* ids[maxIds];
  int64_t steps[maxIds][3];
  int64_t origins[maxIds];

  static constexpr int64_t outside = -1;
  // The row that choice l of row j of block i names; outside where an id is, or the first id is not in [first, last).
  FLOTILLA_INLINE int64_t at(int64_t i, int64_t j, int64_t l, int64_t first, int64_t last) const {
    int64_t offset = i * table.batchStep;
    for (int d = 0; d < table.ids; d++) {
      const int64_t id = int64_t(ids[d][i * steps[d][0] + j * steps[d][1] + l * steps[d][2]]) - origins[d];
      if (id < (d == 0 ? first : 0) || id >= (d == 0 ? last : table.sizes[d])) return outside;
      offset += id * table.steps[d];
    }
    return offset;
  }
  FLOTILLA_INLINE int64_t at(int64_t i, int64_t j, int64_t l) const { return at(i, j, l, 0, table.sizes[0]); }
};

// ids are operands 1 …, [a s k] each, of any strides.
template <class Index>
Places<Index> placesOf(const KernelCall& call, const TableShape& table) {
  const Operand& first = operand(call, 1, 3, false);
  Places<Index> places{table, first.sizes[1], first.sizes[2], {}, {}, {}};
  const auto origin = call.numbers.find("origin");
  for (int d = 0; d < table.ids; d++) {
    const Operand& o = operand(call, size_t(d) + 1, 3, false);
    require(call, o.sizes == first.sizes && o.sizes[0] == table.a && o.dtype == first.dtype, "ids[a s k] of one shape and type");
    places.ids[d] = dataOf<const Index>(o);
    std::copy(o.strides.begin(), o.strides.end(), places.steps[d]);
    if (origin != call.numbers.end()) places.origins[d] = int64_t(origin->second.at(d));
  }
  return places;
}

// Operands beside the ids: the first, and the last.
int idsOf(const KernelCall& call) {
  const int ids = int(call.operands.size()) - 2;
  require(call, ids >= 1 && ids <= maxIds, "one to four operands of ids");
  return ids;
}

template <class T, class Y, class Index>
struct Gather {
  using A = Accumulator<T>;
  Places<Index> places;
  const T* table;
  Y* out;
  int64_t outSteps[2];

  void run() const {
    const int64_t s = places.s, k = places.k, c = places.table.c;
    parallelBlocks(places.table.a * s, rowsPerTask(k * c), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t r = begin; r < end; r++) {
          Y* to = out + r / s * outSteps[0] + r % s * outSteps[1];
          if (k == 1) copyRow(places.at(r / s, r % s, 0), to, c);
          else sumRows(r / s, r % s, to, k, c);
        }
      });
    });
  }

  FLOTILLA_INLINE void copyRow(int64_t place, Y* to, int64_t c) const {
    if (place == Places<Index>::outside) {
      std::memset(static_cast<void*>(to), 0, c * sizeof(Y));
      return;
    }
    const T* from = table + place;
#pragma omp simd
    for (int64_t j = 0; j < c; j++) to[j] = narrow<Y>(widen(from[j]));
  }

  FLOTILLA_INLINE void sumRows(int64_t i, int64_t j, Y* to, int64_t k, int64_t c) const {
    constexpr int64_t columns = 256;
    A sums[columns];
    for (int64_t j0 = 0; j0 < c; j0 += columns) {
      const int64_t width = std::min(columns, c - j0);
      for (int64_t x = 0; x < width; x++) sums[x] = 0;
      for (int64_t l = 0; l < k; l++) {
        const int64_t place = places.at(i, j, l);
        if (place == Places<Index>::outside) continue;
        const T* from = table + place + j0;
#pragma omp simd
        for (int64_t x = 0; x < width; x++) sums[x] += widen(from[x]);
      }
#pragma omp simd
      for (int64_t x = 0; x < width; x++) to[j0 + x] = narrow<Y>(sums[x]);
    }
  }
};

std::unique_ptr<Kernel> gather(const KernelCall& call) {
  const int ids = idsOf(call);
  const Operand& table = call.operands[0];
  const Operand& out = operand(call, size_t(ids) + 1, 3);
  const TableShape shape = tableShape(call, 0, ids);
  require(call, out.sizes[0] == shape.a && out.sizes[1] == call.operands[1].sizes.at(1) && out.sizes[2] == shape.c,
          "table[a v… c], ids[a s k]… -> out[a s c]");
  return withType<float, bf16, double, int32_t, int64_t>(call, table.dtype, [&]<class T>(Tag<T>) {
    return withBeside<T>(call, out.dtype, [&]<class Y>(Tag<Y>) {
      return withIndex(call, call.operands[1].dtype, [&]<class Index>(Tag<Index>) {
        const Gather<T, Y, Index> run{placesOf<Index>(call, shape), dataOf<const T>(table), dataOf<Y>(out), {out.strides[0], out.strides[1]}};
        return makeKernel([run] { run.run(); });
      });
    });
  });
}

template <class T, class Index>
struct ScatterAdd {
  using A = Accumulator<T>;
  Places<Index> places;  // in the sums
  bool accumulate;
  const T* src;
  int64_t srcSteps[2];
  A* sums;
  TableShape table;
  bf16* rounded;  // where the table is bf16: the table, whose sums are elsewhere

  void run() const {
    const int64_t c = table.c;
    const TableShape& own = places.table;
    if (!accumulate || rounded)
      parallelBlocks(own.rows(), rowsPerTask(c), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++) {
          A* to = sums + own.row(r);
          if (accumulate) widenRow(rounded + table.row(r), to, c);
          else std::memset(to, 0, c * sizeof(A));
        }
      });
    addRows();
    if (rounded)
      parallelBlocks(own.rows(), rowsPerTask(c), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++) narrowRun(sums + own.row(r), rounded + table.row(r), c);
      });
  }

  void addRows() const {
    constexpr int64_t columns = 64;
    const int64_t a = table.a, s = places.s, k = places.k, c = table.c;
    const int64_t parts = a < 4 ? 4 : 1, blocks = ceilDiv(c, columns), range = ceilDiv(table.sizes[0], parts);
    const int64_t taskElements = std::max<int64_t>(1, s * k * std::min(c, columns));
    parallelBlocks(a * parts * blocks, std::max<int64_t>(1, 16384 / taskElements), [&](int64_t begin, int64_t end) {
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t task = begin; task < end; task++) {
          const int64_t i = task / blocks / parts, first = task / blocks % parts * range, j0 = task % blocks * columns;
          const int64_t last = std::min(table.sizes[0], first + range), width = std::min(columns, c - j0);
          for (int64_t j = 0; j < s; j++) {
            const T* from = src + i * srcSteps[0] + j * srcSteps[1] + j0;
            for (int64_t l = 0; l < k; l++) {
              const int64_t place = places.at(i, j, l, first, last);
              if (place != Places<Index>::outside) addRow(from, sums + place + j0, width);
            }
          }
        }
      });
    });
  }

  static void widenRow(const bf16* from, A* to, int64_t c) {
    for (int64_t j = 0; j < c; j++) to[j] = widen(from[j]);
  }

  FLOTILLA_INLINE static void addRow(const T* from, A* to, int64_t width) {
#pragma omp simd
    for (int64_t j = 0; j < width; j++) to[j] += widen(from[j]);
  }
};

std::unique_ptr<Kernel> scatterAdd(const KernelCall& call) {
  const int ids = idsOf(call);
  const Operand& source = operand(call, 0, 3);
  const Operand& table = call.operands.back();
  const TableShape shape = tableShape(call, size_t(ids) + 1, ids);
  require(call, source.sizes[0] == shape.a && source.sizes[1] == call.operands[1].sizes.at(1) && source.sizes[2] == shape.c,
          "src[a s c], ids[a s k]… -> table[a v… c]");
  return withFloat(call, source.dtype, [&]<class T>(Tag<T>) {
    return withIndex(call, call.operands[1].dtype, [&]<class Index>(Tag<Index>) {
      using A = Accumulator<T>;
      const bool rounds = table.dtype == DType::bf16;
      require(call, table.dtype == dtypeOf<A> || (rounds && sizeof(A) == 4), "the table is f32 or bf16 (f64 for f64)");
      if (rounds) requireScratch(call, workspace::scatter_rounded(shape.rows() * shape.c));
      const ScatterAdd<T, Index> run{placesOf<Index>(call, rounds ? shape.packed() : shape), number(call, "accumulate", 0) != 0,
                                     dataOf<const T>(source), {source.strides[0], source.strides[1]},
                                     static_cast<A*>(rounds ? call.scratch : table.data), shape,
                                     rounds ? dataOf<bf16>(table) : nullptr};
      return makeKernel([run] { run.run(); });
    });
  });
}

const KernelRegistration registerGather{"gather", byDevice<gather>};
const KernelRegistration registerScatterAdd{"scatter_add", byDevice<scatterAdd>};

}  // namespace
}  // namespace flotilla
