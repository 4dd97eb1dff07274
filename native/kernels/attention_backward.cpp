// attention_backward: gradients of attention (attention.cpp, where shapes and masks are explained) from what it left.
//   p = exp(scale·q·k − logsumexp), δ = Σ_d do·o
//   dv = Σ_query p·do,  ds = p·(do·v − δ),  dk = scale·Σ_query ds·q,  dq = scale·Σ_key ds·k     (Dao et al. 2022, alg. 4)
// One pass over blocks of 64 keys × 256 queries; p and ds are rounded to T before they are multiplied, every sum is f32
// (f64: f64). dk and dv sum over the r heads of a group in the order of heads.
//   dsink = −Σ_query exp(sink − logsumexp)·δ,  dbias[n] = Σ ds over the queries and keys at a distance that takes bias n
// Operands: those of the forward, o, logsumexp, do -> dq, dk, dv, and dsinks, dbias where there are sinks, bias.
// Workspace: q and do packed both ways, k packed, dq in the accumulator's type, δ, gradients of sink and biases of each (batch, head),
// which are summed in the order of batches. One task a (batch, key head), so the same bits for any number of threads. No allocation,
// no aliasing.
#include <cstring>

#include "attention.h"

namespace flotilla {

using namespace gemm;

namespace {

constexpr int64_t keyBlock = 64;
constexpr int64_t queryBlock = 256;

template <class T>
struct AttentionBackward {
  using A = Accumulator<T>;
  AttentionShape shape;
  HeadView<T> q, k, v, o, dO, dq, dk, dv;
  const A* logsumexp;
  int64_t logsumexpStrides[3];
  PerHeadRow<const A> sinks;
  Addends<A> addends;
  PerHeadRow<A> dSinks, dBias;
  char* scratch;

  static int64_t scratchBytes(const AttentionShape& x, int64_t biases) {
    return workspace::attention_backward(x.b, x.g, x.r, x.s, x.t, x.d, biases, sizeof(T), sizeof(A));
  }

  // The workspace of one (batch, query head), and of one (batch, key head).
  struct PerHead {
    Unit<T>*qTransposed, *doTransposed, *qPlain, *doPlain;
    A *dq, *delta, *dSink, *dBias;
  };

  void run() const {
    parallelTasks(shape.b * shape.g, [&](int64_t task) { group(task / shape.g, task % shape.g); });
    for (int64_t head = 0; head < shape.g * shape.r; head++) {
      if (dSinks.data) sumOverBatches(dSinks.of(head), 1, [&](int64_t b) { return perHead(b, head).dSink; });
      if (dBias.data) sumOverBatches(dBias.of(head), dBias.n, [&](int64_t b) { return perHead(b, head).dBias; });
    }
  }

  template <class F>
  void sumOverBatches(A* out, int64_t n, F&& of) const {
    for (int64_t i = 0; i < n; i++) out[i] = 0;
    for (int64_t b = 0; b < shape.b; b++) {
      const A* from = of(b);
      for (int64_t i = 0; i < n; i++) out[i] += from[i];
    }
  }

  PerHead perHead(int64_t b, int64_t head) const {
    const int64_t heads = shape.b * shape.g * shape.r, index = b * shape.g * shape.r + head;
    const int64_t rows = roundUp(shape.s, tileColumns);
    const int64_t byD = shape.packedByD(shape.s) * sizeof(T), bySequence = shape.packedBySequence(shape.s) * sizeof(T);
    char* p = scratch;
    const auto take = [&](int64_t bytes) { return std::exchange(p, p + heads * bytes) + index * bytes; };
    PerHead w;
    w.dq = reinterpret_cast<A*>(take(rows * shape.paddedD() * sizeof(A)));
    w.delta = reinterpret_cast<A*>(take(rows * sizeof(A)));
    w.dSink = reinterpret_cast<A*>(take(roundUp(addends.bias.n + 1, 16) * sizeof(A)));
    w.dBias = w.dSink + 1;
    w.qTransposed = reinterpret_cast<Unit<T>*>(take(byD));
    w.doTransposed = reinterpret_cast<Unit<T>*>(take(byD));
    w.qPlain = reinterpret_cast<Unit<T>*>(take(bySequence));
    w.doPlain = reinterpret_cast<Unit<T>*>(take(bySequence));
    return w;
  }
  Unit<T>* packedK(int64_t b, int64_t g) const {
    const int64_t fromEnd = shape.b * shape.g - (b * shape.g + g);
    const int64_t after = scratchBytes(shape, addends.bias.n) - fromEnd * shape.packedBySequence(shape.t) * int64_t(sizeof(T));
    return reinterpret_cast<Unit<T>*>(scratch + after);
  }

  void group(int64_t b, int64_t g) const {
    Unit<T>* kPlain = packedK(b, g);
    packPlain<T>(k.at(b, 0, g), k.row, shape.t, shape.d, kPlain);
    for (int64_t head = g * shape.r; head < (g + 1) * shape.r; head++) prepare(b, head);
    for (int64_t j0 = 0; j0 < shape.t; j0 += keyBlock) keys(b, g, j0, kPlain);
    for (int64_t head = g * shape.r; head < (g + 1) * shape.r; head++) finishQueries(b, head);
  }

  void prepare(int64_t b, int64_t head) const {
    const PerHead w = perHead(b, head);
    packTransposed<T>(q.at(b, 0, head), q.row, shape.s, shape.d, w.qTransposed);
    packTransposed<T>(dO.at(b, 0, head), dO.row, shape.s, shape.d, w.doTransposed);
    packPlain<T>(q.at(b, 0, head), q.row, shape.s, shape.d, w.qPlain);
    packPlain<T>(dO.at(b, 0, head), dO.row, shape.s, shape.d, w.doPlain);
    std::memset(static_cast<void*>(w.dq), 0, shape.s * shape.paddedD() * sizeof(A));
    vectorised([&]() FLOTILLA_INLINE {
      for (int64_t i = 0; i < shape.s; i++) {
        const T *x = o.at(b, i, head), *y = dO.at(b, i, head);
        A sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < shape.d; j++) sum += widen(x[j]) * widen(y[j]);
        w.delta[i] = sum;
      }
    });
    for (int64_t i = 0; i <= addends.bias.n; i++) w.dSink[i] = 0;
    if (sinks.data)
      for (int64_t i = 0; i < shape.s; i++) *w.dSink -= std::exp(*sinks.of(head) - *logsumexpOf(b, i, head)) * w.delta[i];
  }

  const A* logsumexpOf(int64_t b, int64_t i, int64_t head) const {
    return logsumexp + b * logsumexpStrides[0] + i * logsumexpStrides[1] + head * logsumexpStrides[2];
  }

  // All that keys [j0, j0 + 64) of one group contribute, their dk and dv done.
  void keys(int64_t b, int64_t g, int64_t j0, const Unit<T>* kPlain) const {
    const int64_t rows = std::min(keyBlock, shape.t - j0), width = shape.paddedD(), d = shape.d;
    alignas(64) A dkSum[keyBlock * maxHeadDim], dvSum[keyBlock * maxHeadDim];
    std::memset(dkSum, 0, rows * width * sizeof(A));
    std::memset(dvSum, 0, rows * width * sizeof(A));
    const Run seeing = shape.queriesOf(j0, rows);
    for (int64_t head = g * shape.r; head < (g + 1) * shape.r; head++)
      for (int64_t i0 = roundDown(seeing.begin, tileColumns); i0 < seeing.end; i0 += queryBlock)
        block(b, g, head, j0, rows, i0, std::min(queryBlock, seeing.end - i0), kPlain, dkSum, dvSum);
    vectorised([&]() FLOTILLA_INLINE {
      for (int64_t j = 0; j < rows; j++) {
        T *dkOut = dk.at(b, j0 + j, g), *dvOut = dv.at(b, j0 + j, g);
        const A *x = dkSum + j * width, *y = dvSum + j * width, scale = A(shape.scale);
#pragma omp simd
        for (int64_t c = 0; c < d; c++) dkOut[c] = narrow<T>(x[c] * scale), dvOut[c] = narrow<T>(y[c]);
      }
    });
  }

  void block(int64_t b, int64_t g, int64_t head, int64_t j0, int64_t rows, int64_t i0, int64_t queries,
             const Unit<T>* kPlain, A* dkSum, A* dvSum) const {
    if (shape.hasDocuments() && shape.keysOf(b, i0, queries).within(j0, j0 + rows).empty()) return;
    const PerHead w = perHead(b, head);
    const int64_t d = shape.d, width = shape.paddedD();
    const int64_t unitsD = unitsOf<T>(d), unitsS = unitsOf<T>(shape.s);
    alignas(64) A p[keyBlock * queryBlock], ds[keyBlock * queryBlock];     // transposed: keys × queries
    alignas(64) T pNarrow[keyBlock * queryBlock], dsNarrow[keyBlock * queryBlock];

    for (int64_t j = 0; j < rows; j += tileRows) {
      const int64_t count = std::min(tileRows, rows - j);
      const Rows kRows{reinterpret_cast<const char*>(k.at(b, j0 + j, g)), k.row * int64_t(sizeof(T)), sizeof(Unit<T>)};
      const Rows vRows{reinterpret_cast<const char*>(v.at(b, j0 + j, g)), v.row * int64_t(sizeof(T)), sizeof(Unit<T>)};
      for (int64_t i = 0; i < queries; i += tileColumns) {
        Finish<A> finish;
        finish.outStride = queryBlock;
        finish.out = p + j * queryBlock + i;
        multiplyTile<T>(count, kRows, w.qTransposed + (i0 + i) * unitsD, unitsD, finish);
        finish.out = ds + j * queryBlock + i;
        multiplyTile<T>(count, vRows, w.doTransposed + (i0 + i) * unitsD, unitsD, finish);
      }
    }
    vectorised([&]() FLOTILLA_INLINE {
      if (addends.any())
        for (int64_t j = 0; j < rows; j++)
          addends.addTo(p + j * queryBlock, queries, head, shape.distance(i0, j0 + j), -1, A(shape.scale));
      probabilities(b, head, j0, rows, i0, queries, w.delta, p, ds, pNarrow, dsNarrow);
    });
    if (dBias.data) addBiasGradients(j0, rows, i0, queries, ds, w.dBias);

    for (int64_t j = 0; j < rows; j += tileRows) {
      const int64_t count = std::min(tileRows, rows - j);
      constexpr int64_t rowBytes = queryBlock * sizeof(T);
      // The queries before the first that sees one of these keys, and behind the last, add nothing.
      const Run seeing = shape.queriesOf(j0 + j, count).from(i0).within(0, queries);
      if (seeing.empty()) continue;
      const int64_t start = roundDown(seeing.begin, 2), units = unitsOf<T>(seeing.end - start);
      const Rows pRows{reinterpret_cast<const char*>(pNarrow + j * queryBlock + start), rowBytes, sizeof(Unit<T>)};
      const Rows dsRows{reinterpret_cast<const char*>(dsNarrow + j * queryBlock + start), rowBytes, sizeof(Unit<T>)};
      for (int64_t c = 0; c < d; c += tileColumns) {
        const int64_t offset = c * unitsS + (i0 + start) / UnitOf<T>::elements * tileColumns;
        addTo(dvSum + j * width + c, width, count, pRows, w.doPlain + offset, units);
        addTo(dkSum + j * width + c, width, count, dsRows, w.qPlain + offset, units);
      }
    }
    const Unit<T>* dsUnits = unitsAcrossKeys(dsNarrow, rows, reinterpret_cast<Unit<T>*>(pNarrow));
    const int64_t unitsT = unitsOf<T>(shape.t);
    for (int64_t i = 0; i < queries; i += tileRows) {
      const int64_t count = std::min(tileRows, queries - i);
      const Run seen = shape.keysOf(b, i0 + i, count).from(j0).within(0, rows);
      if (seen.empty()) continue;
      const int64_t unit = seen.begin / UnitOf<T>::elements, first = unit * UnitOf<T>::elements;
      const Rows left{reinterpret_cast<const char*>(dsUnits + unit * queryBlock + i), sizeof(Unit<T>),
                      queryBlock * int64_t(sizeof(Unit<T>))};
      const Unit<T>* panel = kPlain + (j0 + first) / UnitOf<T>::elements * tileColumns;
      for (int64_t c = 0; c < d; c += tileColumns)
        addTo(w.dq + (i0 + i) * width + c, width, count, left, panel + c * unitsT, unitsOf<T>(seen.end - first));
    }
  }

  static void addTo(A* sums, int64_t stride, int64_t rows, const Rows& left, const Unit<T>* panel, int64_t units) {
    Finish<A> finish;
    finish.in = sums, finish.inStride = stride;
    finish.out = sums, finish.outStride = stride;
    multiplyTile<T>(rows, left, panel, units, finish);
  }

  // p: scores → probabilities; ds: do·v → p·(do·v − δ). Queries that do not see a key, and the pair of a last odd query, are 0.
  FLOTILLA_INLINE void probabilities(int64_t b, int64_t head, int64_t j0, int64_t rows, int64_t i0, int64_t queries,
                                     const A* delta, A* p, A* ds, T* pNarrow, T* dsNarrow) const {
    A lse[queryBlock];
    const A scale = A(shape.scale * log2e);
    const int64_t padded = roundUp(queries, 16);
    for (int64_t i = 0; i < queries; i++)
      lse[i] = A(log2e) * *logsumexpOf(b, i0 + i, head);
    for (int64_t i = queries; i < padded; i++) lse[i] = 0;
    const A* deltas = delta + i0;  // padded to 64 rows in the workspace
    int32_t first[queryBlock], last[queryBlock];  // of documents: the keys that each query sees
    if (shape.hasDocuments())
      for (int64_t i = 0; i < padded; i++) {
        const Run keys = i < queries ? shape.keysOf(b, i0 + i).from(j0).within(0, rows) : Run{0, 0};
        first[i] = int32_t(keys.begin), last[i] = int32_t(keys.end);
      }
    for (int64_t j = 0; j < rows; j++) {
      const Run seeing = shape.queriesOf(j0 + j).from(i0).within(0, queries);
      A *score = p + j * queryBlock, *product = ds + j * queryBlock;
      const int64_t start = roundDown(seeing.begin, 16), stop = std::max(start, roundUp(seeing.end, 16));
      for (int64_t i = 0; i < start; i++) score[i] = 0, product[i] = 0;
      for (int64_t i = stop; i < padded; i++) score[i] = 0, product[i] = 0;
      const int32_t from = int32_t(seeing.begin), to = int32_t(seeing.end);
#pragma omp simd
      for (int32_t i = int32_t(start); i < int32_t(stop); i++) {
        const A probability = exp2Of(score[i] * scale - lse[i]);
        const A gradient = probability * (product[i] - deltas[i]);
        const bool seen = i >= from && i < to;
        score[i] = seen ? probability : A(0);
        product[i] = seen ? gradient : A(0);
      }
      if (shape.hasDocuments()) {
        const int32_t key = int32_t(j);
#pragma omp simd
        for (int32_t i = int32_t(start); i < int32_t(stop); i++) {
          const bool seen = key >= first[i] && key < last[i];
          score[i] = seen ? score[i] : A(0);
          product[i] = seen ? product[i] : A(0);
        }
      }
      narrowRun(score, pNarrow + j * queryBlock, padded);
      narrowRun(product, dsNarrow + j * queryBlock, padded);
    }
  }

  void addBiasGradients(int64_t j0, int64_t rows, int64_t i0, int64_t queries, const A* ds, A* sums) const {
    for (int64_t j = 0; j < rows; j++) {
      const Run seeing = shape.queriesOf(j0 + j).from(i0).within(0, queries);
      for (int64_t i = seeing.begin; i < seeing.end; i++)
        sums[Addends<A>::biasAt(shape.distance(i0 + i, j0 + j), dBias.n)] += ds[j * queryBlock + i];
    }
  }

  // ds as a left operand whose k runs over keys: units[key unit][query].
  static const Unit<T>* unitsAcrossKeys(T* ds, int64_t rows, Unit<T>* units) {
    if constexpr (!std::is_same_v<T, bf16>) {
      return ds;
    } else {
      if (rows % 2) std::memset(static_cast<void*>(ds + rows * queryBlock), 0, queryBlock * sizeof(T));
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t u = 0; u < unitsOf<T>(rows); u++) {
          const bf16 *low = ds + 2 * u * queryBlock, *high = low + queryBlock;
          uint32_t* to = units + u * queryBlock;
#pragma omp simd
          for (int64_t i = 0; i < queryBlock; i++) to[i] = uint32_t(low[i].bits) | uint32_t(high[i].bits) << 16;
        }
      });
      return units;
    }
  }

  void finishQueries(int64_t b, int64_t head) const {
    const A* sums = perHead(b, head).dq;
    const A scale = A(shape.scale);
    vectorised([&]() FLOTILLA_INLINE {
      for (int64_t i = 0; i < shape.s; i++) {
        T* out = dq.at(b, i, head);
        const A* sum = sums + i * shape.paddedD();
#pragma omp simd
        for (int64_t c = 0; c < shape.d; c++) out[c] = narrow<T>(sum[c] * scale);
      }
    });
  }
};

std::unique_ptr<Kernel> attentionBackward(const KernelCall& call) {
  const AttentionOperands at = attentionOperands(call);
  const bool hasSinks = at.sinks != AttentionOperands::none, hasBias = at.bias != AttentionOperands::none;
  const size_t dq = at.rest + 3, dSinks = dq + 3, dBias = dSinks + (hasSinks ? 1 : 0);
  requireOperands(call, dBias + (hasBias ? 1 : 0));
  const AttentionShape shape = attentionShape(call);
  const Operand& q = call.operands[0];
  const Operand& k = call.operands[1];
  const Operand& logsumexp = operand(call, at.rest + 1, 3, false);
  for (const size_t i : {at.rest, at.rest + 2, dq}) require(call, call.operands[i].sizes == q.sizes, "o, do and dq have the shape of q");
  for (const size_t i : {dq + 1, dq + 2}) require(call, call.operands[i].sizes == k.sizes, "dk and dv have the shape of k");
  require(call, logsumexp.sizes == std::vector<int64_t>(q.sizes.begin(), q.sizes.end() - 1), "logsumexp[b s h]");
  return withFloat(call, q.dtype, [&]<class T>(Tag<T>) -> std::unique_ptr<Kernel> {
    using A = Accumulator<T>;
    require(call, logsumexp.dtype == dtypeOf<A>, "logsumexp is f32 (f64 for f64)");
    const Addends<A> added = addends<A>(call);
    requireScratch(call, AttentionBackward<T>::scratchBytes(shape, added.bias.n));
    const auto view = [&](size_t i) { return headView<T>(call, i); };
    const AttentionBackward<T> run{shape, view(0), view(1), view(2), view(at.rest), view(at.rest + 2), view(dq), view(dq + 1),
                                   view(dq + 2), dataOf<const A>(logsumexp),
                                   {logsumexp.strides[0], logsumexp.strides[1], logsumexp.strides[2]},
                                   perHeadRow<const A>(call, at.sinks, 1), added,
                                   perHeadRow<A>(call, hasSinks ? dSinks : AttentionOperands::none, 1),
                                   perHeadRow<A>(call, hasBias ? dBias : AttentionOperands::none, 2),
                                   static_cast<char*>(call.scratch)};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registration{"attention_backward", byDevice<attentionBackward>};

}  // namespace
}  // namespace flotilla
