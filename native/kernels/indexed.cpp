// gather_any:   y[o…] = Σ_l table[ids[o… l…]…, o… l…]
// scatter_any:  table[ids[c… l…]…, c…] += x[c… l…] in the order of l, on zeros unless accumulate
// The general form of gather and scatter_add (gather.cpp): what runs where operands do not lie as those take them. Dimensions: the table's
// addressed ones, then the loop's: for a gather those of y, then the summed ones; for a scatter those that the table shares, then the
// rest. Every other operand has the loop's dimensions, y and a scatter's table the first ones alone; stride 0 where one lacks a dimension.
// One operand of ids, i32 or i64, for each addressed dimension, counted from its own `origin`; outside: nothing. Other types are free.
// Sums are f64, rounded once. A task owns its results: the same bits for any number of threads. Workspace: gather none; scatter the
// table's elements in f64. No allocation, no aliasing.
#include "runs.h"
#include "workspaces.h"

namespace flotilla {

namespace {

constexpr int maxIds = 4;
constexpr int maxDimensions = 24;

struct Place {
  Port port;
  int64_t strides[maxDimensions];

  double read(int64_t offset) const {
    double value;
    return *fetch(port, port.data + offset * port.bytes, 1, 1, &value);
  }
  void write(int64_t offset, double value) const { deliver(port, &value, 1, port.data + offset * port.bytes, 1); }
};

int64_t idAt(const Operand& o, int64_t offset) {
  return o.dtype == DType::i64 ? static_cast<const int64_t*>(o.data)[offset] : static_cast<const int32_t*>(o.data)[offset];
}

struct Indexed {
  int ids, own, dimensions;        // own: loop dimensions that a task's results have; the rest follows
  int64_t sizes[maxDimensions];    // of the loop
  int64_t places[maxIds], origins[maxIds], placeStrides[maxIds];
  Operand id[maxIds];
  Place table, rows;               // strides by dimension of the loop

  int64_t count(int from, int to) const {
    int64_t n = 1;
    for (int d = from; d < to; d++) n *= sizes[d];
    return n;
  }

  // Visits every place of the loop whose first dimensions are the task's: visit(offset of the addressed row, offset in rows).
  template <class Visit>
  void task(int64_t index, const Visit& visit) const {
    int64_t at[maxDimensions] = {};
    for (int d = own - 1; d >= 0; index /= sizes[d], d--) at[d] = index % sizes[d];
    const int64_t turns = count(own, dimensions);
    for (int64_t turn = 0; turn < turns; turn++) {
      int64_t rest = turn;
      for (int d = dimensions - 1; d >= own; rest /= sizes[d], d--) at[d] = rest % sizes[d];
      int64_t row = 0, offset = 0;
      for (int d = 0; d < dimensions; d++) row += at[d] * table.strides[d], offset += at[d] * rows.strides[d];
      bool inside = true;
      for (int i = 0; i < ids && inside; i++) {
        int64_t where = 0;
        for (int d = 0; d < dimensions; d++) where += at[d] * id[i].strides[d];
        const int64_t place = idAt(id[i], where) - origins[i];
        inside = place >= 0 && place < places[i];
        row += place * placeStrides[i];
      }
      if (inside) visit(row, offset);
    }
  }

  int64_t ownOffset(const Place& place, int64_t index) const {
    int64_t offset = 0;
    for (int d = own - 1; d >= 0; index /= sizes[d], d--) offset += index % sizes[d] * place.strides[d];
    return offset;
  }
};

// rows: y of a gather, x of a scatter.
Indexed indexed(const KernelCall& call, const Operand& table, const Operand& rows, size_t firstId) {
  Indexed run{};
  run.ids = int(call.operands.size()) - 2;
  require(call, run.ids >= 1 && run.ids <= maxIds, "one to four operands of ids");
  const Operand& first = call.operands[firstId];
  run.dimensions = int(first.sizes.size());
  require(call, run.dimensions <= maxDimensions, "at most 24 dimensions");
  std::copy(first.sizes.begin(), first.sizes.end(), run.sizes);
  const auto origin = call.numbers.find("origin");
  for (int i = 0; i < run.ids; i++) {
    const Operand& o = call.operands[firstId + i];
    require(call, o.sizes == first.sizes && (o.dtype == DType::i64 || o.dtype == DType::i32), "ids of one shape, i32 or i64");
    run.id[i] = o;
    run.places[i] = table.sizes.at(i);
    run.placeStrides[i] = table.strides.at(i);
    run.origins[i] = origin == call.numbers.end() ? 0 : int64_t(origin->second.at(i));
  }
  run.table.port = {static_cast<char*>(table.data), table.dtype, elementBytes(table.dtype)};
  std::copy(table.strides.begin() + run.ids, table.strides.end(), run.table.strides);
  run.rows.port = {static_cast<char*>(rows.data), rows.dtype, elementBytes(rows.dtype)};
  std::copy(rows.strides.begin(), rows.strides.end(), run.rows.strides);
  return run;
}

std::unique_ptr<Kernel> gatherAny(const KernelCall& call) {
  const Operand &table = call.operands.front(), &y = call.operands.back();
  Indexed run = indexed(call, table, y, 1);
  run.own = int(y.sizes.size());
  require(call, int(table.sizes.size()) == run.ids + run.dimensions && run.own <= run.dimensions, "table[v… o… l…], ids[o… l…] -> y[o…]");
  return makeKernel([run] {
    const int64_t each = std::max<int64_t>(1, run.count(run.own, run.dimensions));
    parallelBlocks(run.count(0, run.own), std::max<int64_t>(1, 4096 / each), [&](int64_t begin, int64_t end) {
      for (int64_t result = begin; result < end; result++) {
        double sum = 0;
        run.task(result, [&](int64_t row, int64_t) { sum += run.table.read(row); });
        run.rows.write(run.ownOffset(run.rows, result), sum);
      }
    });
  });
}

std::unique_ptr<Kernel> scatterAny(const KernelCall& call) {
  const Operand &x = call.operands.front(), &table = call.operands.back();
  Indexed run = indexed(call, table, x, 1);
  run.own = int(table.sizes.size()) - run.ids;
  require(call, run.own >= 0 && run.own <= run.dimensions && x.sizes == call.operands[1].sizes, "x[c… l…], ids[c… l…] -> table[v… c…]");
  const int64_t rows = elementsOf(table);
  requireScratch(call, workspace::scatter_any(rows));
  double* sums = static_cast<double*>(call.scratch);
  const bool accumulate = number(call, "accumulate", 0) != 0;
  return makeKernel([run, sums, accumulate] {
    int64_t places = 1;
    for (int i = 0; i < run.ids; i++) places *= run.places[i];
    // A task's sums lie together: those of one place of the table's own dimensions, [v…].
    parallelBlocks(run.count(0, run.own), 1, [&](int64_t begin, int64_t end) {
      for (int64_t column = begin; column < end; column++) {
        double* own = sums + column * places;
        const int64_t start = run.ownOffset(run.table, column);
        const auto offsetOf = [&](int64_t place) {
          int64_t offset = start;
          for (int i = run.ids - 1; i >= 0; place /= run.places[i], i--) offset += place % run.places[i] * run.placeStrides[i];
          return offset;
        };
        for (int64_t place = 0; place < places; place++) own[place] = accumulate ? run.table.read(offsetOf(place)) : 0;
        Indexed packed = run;
        int64_t step = 1;
        for (int i = run.ids - 1; i >= 0; step *= run.places[i], i--) packed.placeStrides[i] = step;
        std::fill(packed.table.strides, packed.table.strides + run.dimensions, 0);
        packed.task(column, [&](int64_t place, int64_t row) { own[place] += run.rows.read(row); });
        for (int64_t place = 0; place < places; place++) run.table.write(offsetOf(place), own[place]);
      }
    });
  });
}

const KernelRegistration registerGatherAny{"gather_any", byDevice<gatherAny>};
const KernelRegistration registerScatterAny{"scatter_any", byDevice<scatterAny>};

}  // namespace
}  // namespace flotilla
