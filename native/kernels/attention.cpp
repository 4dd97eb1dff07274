// attention: o = softmax(scale · q kᵀ) v for every batch and head, logsumexp of each query's scores.
//   q[b s h d], k and v[b t g d], h = g·r: query head g'·r + r' reads key head g'. Queries stand at positions query_start + i, keys at
//   key_start + j; who sees whom says attention.h, and blocks that nobody sees are skipped. Optional, in this order, where an attribute
//   of their name is 1: starts and ends[b s], the positions from which and up to which a query sees keys; sinks[h], one score more that
//   has no value; slopes[h] and bias[h n], what is added to scores by distance.
// f32, bf16, f64; scores, exponentials and sums f32 (f64: f64); bf16 probabilities are rounded before they meet v.
// Online softmax over blocks of 256 keys (Milakov & Gimelshein 2018; Dao et al. 2022): no s × t buffer.
// Workspace: k and v packed for the tile product. The order of sums depends on t and d alone: the same bits for any number
// of threads and any split of b, h or (with query_start) s. No allocation, no aliasing.
#include "attention.h"

namespace flotilla {

using namespace gemm;

namespace {

constexpr int64_t queryBlock = 48;
constexpr int64_t keyBlock = 256;

template <class T>
struct Attention {
  using A = Accumulator<T>;
  AttentionShape shape;
  HeadView<T> q, k, v, o;
  A* logsumexp;
  int64_t logsumexpStrides[3];
  PerHeadRow<const A> sinks;
  Addends<A> addends;
  Unit<T>* packedK;
  Unit<T>* packedV;

  int64_t unitsOfK() const { return shape.packedByD(shape.t) / UnitOf<T>::elements; }
  int64_t unitsOfV() const { return unitsOf<T>(shape.t) * shape.paddedD(); }

  void run() const {
    const int64_t g = shape.g, h = shape.g * shape.r;
    parallelTasks(shape.b * g * 2, [&](int64_t task) {
      const int64_t index = task / 2, b = index / g, head = index % g;
      if (task % 2 == 0) packTransposed<T>(k.at(b, 0, head), k.row, shape.t, shape.d, packedK + index * unitsOfK());
      else packPlain<T>(v.at(b, 0, head), v.row, shape.t, shape.d, packedV + index * unitsOfV());
    });
    const int64_t blocks = ceilDiv(shape.s, queryBlock);
    parallelTasks(shape.b * h * blocks, [&](int64_t task) {
      const int64_t block = blocks - 1 - task % blocks;  // under a causal mask the last are the longest: first
      attend(task / blocks / h, task / blocks % h, block * queryBlock);
    });
  }

  void attend(int64_t b, int64_t head, int64_t i0) const {
    const int64_t rows = std::min(queryBlock, shape.s - i0), d = shape.d, width = shape.paddedD();
    const int64_t index = b * shape.g + head / shape.r, unitsD = unitsOf<T>(d), unitsT = unitsOf<T>(shape.t);
    const A scale = A(shape.scale * log2e);
    alignas(64) A scores[queryBlock * keyBlock];
    alignas(64) T weights[queryBlock * keyBlock];
    alignas(64) A sums[queryBlock * maxHeadDim];
    A maximum[queryBlock], total[queryBlock];
    for (int64_t i = 0; i < rows; i++) maximum[i] = -std::numeric_limits<A>::infinity(), total[i] = 0;
    for (int64_t i = 0; i < rows * width; i++) sums[i] = 0;

    Run keysOf[queryBlock], seen{0, 0};
    for (int64_t i = 0; i < rows; i++) seen = seen.with(keysOf[i] = shape.keysOf(b, i0 + i));
    const int64_t firstBlock = roundDown(seen.begin, keyBlock);
    for (int64_t j0 = firstBlock; j0 < seen.end; j0 += keyBlock) {
      // What the rows of a tile see of this block, from the column of a tile on.
      Run spans[queryBlock];
      for (int64_t i = 0; i < rows; i += tileRows) {
        const int64_t count = std::min(tileRows, rows - i);
        Run span = AttentionShape::joined(i, count, [&](int64_t row) { return keysOf[row].from(j0).within(0, keyBlock); });
        if (!span.empty()) span.begin = roundDown(span.begin, tileColumns);
        for (int64_t row = i; row < i + count; row++) spans[row] = span;
        const Rows left{reinterpret_cast<const char*>(q.at(b, i0 + i, head)), q.row * int64_t(sizeof(T)), sizeof(Unit<T>)};
        for (int64_t j = span.begin; j < span.end; j += tileColumns) {
          Finish<A> finish;
          finish.out = scores + i * keyBlock + j, finish.outStride = keyBlock;
          multiplyTile<T>(count, left, packedK + index * unitsOfK() + (j0 + j) * unitsD, unitsD, finish);
        }
      }
      vectorised([&]() FLOTILLA_INLINE {
        for (int64_t i = 0; i < rows; i++) {
          const Run span{spans[i].begin, roundUp(spans[i].end, 16)};
          A* row = scores + i * keyBlock;
          if (addends.any())
            addends.addTo(row + span.begin, span.end - span.begin, head, shape.distance(i0 + i, j0 + span.begin), 1, A(shape.scale));
          softmaxRow(row, keysOf[i].from(j0).within(span.begin, span.end), span, scale, maximum[i], total[i], sums + i * width, width,
                     j0 > firstBlock);
          narrowRun(row + span.begin, weights + i * keyBlock + span.begin, span.end - span.begin);
        }
      });
      for (int64_t i = 0; i < rows; i += tileRows) {
        const int64_t count = std::min(tileRows, rows - i);
        const Run span = spans[i];
        if (span.empty()) continue;
        const Rows left{reinterpret_cast<const char*>(weights + i * keyBlock + span.begin), keyBlock * int64_t(sizeof(T)),
                        sizeof(Unit<T>)};
        for (int64_t j = 0; j < d; j += tileColumns) {
          Finish<A> finish;
          finish.in = sums + i * width + j, finish.inStride = width;
          finish.out = sums + i * width + j, finish.outStride = width;
          const int64_t unit = (j0 + span.begin) / UnitOf<T>::elements;
          const Unit<T>* panel = packedV + index * unitsOfV() + (j * unitsT + unit * tileColumns);
          multiplyTile<T>(count, left, panel, unitsOf<T>(span.end - span.begin), finish);
        }
      }
    }
    for (int64_t i = 0; i < rows; i++)
      logsumexp[b * logsumexpStrides[0] + (i0 + i) * logsumexpStrides[1] + head * logsumexpStrides[2]] =
          finish(maximum[i] * A(shape.scale), total[i], head);
    vectorised([&]() FLOTILLA_INLINE {
      for (int64_t i = 0; i < rows; i++) {
        T* out = o.at(b, i0 + i, head);
        const A* sum = sums + i * width;
        const A inverse = total[i] > 0 ? 1 / total[i] : A(0);
#pragma omp simd
        for (int64_t j = 0; j < d; j++) out[j] = narrow<T>(sum[j] * inverse);
      }
    });
  }

  // The logsumexp of a row; its total becomes what its sums are divided by: with a sink, that of one score more.
  A finish(A maximum, A& total, int64_t head) const {
    if (!sinks.data) return maximum + std::log(total);
    const A sink = *sinks.of(head), most = std::max(maximum, sink);
    const A keys = total * std::exp(maximum - most), all = keys + std::exp(sink - most);
    total = keys > 0 ? total * (all / keys) : A(0);
    return most + std::log(all);
  }

  // Of the columns of `span`: scores become 2^(scale·(score − maximum)) for `keys`, 0 for others; the running sums follow the new maximum.
  // `scale` includes log2 e.
  FLOTILLA_INLINE static void softmaxRow(A* scores, Run keys, Run span, A scale, A& maximum, A& total, A* sums, int64_t width,
                                         bool rescale) {
    const A none = -std::numeric_limits<A>::infinity();
    for (int64_t j = span.begin; j < keys.begin; j++) scores[j] = none;
    for (int64_t j = keys.end; j < span.end; j++) scores[j] = none;
    A next = maximum;
#pragma omp simd reduction(max : next)
    for (int64_t j = span.begin; j < span.end; j++) next = scores[j] > next ? scores[j] : next;
    const A shift = next == none ? A(0) : next * scale;
    A sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = span.begin; j < span.end; j++) {
      const A e = exp2Of(scores[j] * scale - shift);
      sum += e;
      scores[j] = e;
    }
    if (rescale && next != maximum) {
      const A factor = exp2Of(maximum * scale - shift);
      total *= factor;
#pragma omp simd
      for (int64_t j = 0; j < width; j++) sums[j] *= factor;
    }
    total += sum;
    maximum = next;
  }
};

std::unique_ptr<Kernel> attention(const KernelCall& call) {
  const AttentionOperands at = attentionOperands(call);
  requireOperands(call, at.rest + 2);
  const AttentionShape shape = attentionShape(call);
  const Operand& q = call.operands[0];
  const Operand& logsumexp = operand(call, at.rest + 1, 3, false);
  require(call, call.operands[at.rest].sizes == q.sizes, "o has the shape of q");
  require(call, logsumexp.sizes == std::vector<int64_t>(q.sizes.begin(), q.sizes.end() - 1), "logsumexp[b s h]");
  return withFloat(call, q.dtype, [&]<class T>(Tag<T>) -> std::unique_ptr<Kernel> {
    using A = Accumulator<T>;
    require(call, logsumexp.dtype == dtypeOf<A>, "logsumexp is f32 (f64 for f64)");
    const int64_t forK = shape.b * shape.g * shape.packedByD(shape.t);
    requireScratch(call, workspace::attention(shape.b, shape.g, shape.t, shape.d, sizeof(T)));
    Attention<T> run{shape, headView<T>(call, 0), headView<T>(call, 1), headView<T>(call, 2), headView<T>(call, at.rest),
                     dataOf<A>(logsumexp), {logsumexp.strides[0], logsumexp.strides[1], logsumexp.strides[2]},
                     perHeadRow<const A>(call, at.sinks, 1), addends<A>(call), static_cast<Unit<T>*>(call.scratch), static_cast<Unit<T>*>(call.scratch) + forK / UnitOf<T>::elements};
    return makeKernel([run] { run.run(); });
  });
}

const KernelRegistration registration{"attention", byDevice<attention>};

}  // namespace
}  // namespace flotilla
