// matmul, matmul_bias:  out[b m n] = Σ_k a[b m k] · b[b k n] (+ bias[n]), accumulate: out += …
// a and b share one type, f32, bf16 or f64; out is that type or f32. Sums are f32 (f64: f64), in the order of k; a bf16
// output is rounded once. Either matrix may be transposed (unit stride in one of its two dimensions); out has unit stride in n.
// Workspace: b packed in panels, and a where k is not contiguous in it; a chunk of at most 2^21 elements of b and 2^20 of a at a time
// (workspaces.h). No aliasing of out with the operands. The same bits for any thread count.
//
// Two parallel phases a chunk: pack, then multiply tiles of 96 × 64 with all of k.
#include <algorithm>

#include "gemm.h"
#include "support.h"
#include "workspaces.h"

namespace flotilla {

using namespace gemm;

namespace {

constexpr int64_t taskRows = 96;     // of a: 96 × 2,048 bf16 stay in L2 beside a panel
constexpr int64_t blockUnits = 1024; // of k: a panel of 256 KiB

// A rank may hold nothing of a summed factor: k = 0, and the product is zero.
int64_t paddedK(int64_t k) { return roundUp(k, 2); }
static_assert(tileColumns == 64 && tileRows == 6 && taskRows == 96, "chunks are whole tiles and tasks: src/kernels/workspaces.ts");

struct Matrix {
  const void* data;
  int64_t batchStride, rowStride, columnStride;
};

template <class T>
struct Product {
  using A = Accumulator<T>;
  int64_t batches, m, n, k;
  Matrix a, b;
  char* out;
  int64_t outBatchStride, outRowStride;
  bool outBf16, accumulate;
  const void* bias;      // [n], of type A or bf16
  bool biasBf16;
  Unit<T>* packedB;
  Unit<T>* packedA;
  bool packA;

  void run() const {
    const int64_t columns = workspace::matmul_columns(n, k), rows = packA ? workspace::matmul_rows(m, k) : m;
    for (int64_t batch = 0; batch < batches; batch++) {
      int64_t rowsPacked = -1;
      for (int64_t n0 = 0; n0 < n; n0 += columns) {
        const int64_t nSize = std::min(columns, n - n0);
        packColumns(batch, n0, nSize);
        for (int64_t m0 = 0; m0 < m; m0 += rows) {
          const int64_t mSize = std::min(rows, m - m0);
          if (packA && rowsPacked != m0) packRowsOf(batch, m0, mSize), rowsPacked = m0;
          multiply(batch, m0, mSize, n0, nSize);
        }
      }
    }
  }

  void packColumns(int64_t batch, int64_t n0, int64_t nSize) const {
    const T* from = static_cast<const T*>(b.data) + batch * b.batchStride + n0 * b.columnStride;
    const int64_t units = unitsOf<T>(k), block = 256, blocks = ceilDiv(units, block);
    parallelTasks(ceilDiv(nSize, tileColumns) * blocks, [&](int64_t task) {
      const int64_t panel = task / blocks, first = task % blocks * block, j = panel * tileColumns;
      packPanel<T>(from + j * b.columnStride, b.rowStride, b.columnStride, k, std::min(tileColumns, nSize - j), first,
                   std::min(block, units - first), packedB + (panel * units + first) * tileColumns);
    }, worthwhile());
  }

  void packRowsOf(int64_t batch, int64_t m0, int64_t mSize) const {
    const T* from = static_cast<const T*>(a.data) + batch * a.batchStride + m0 * a.rowStride;
    const int64_t units = unitsOf<T>(k), block = 128, blocks = ceilDiv(units, block);
    parallelTasks(ceilDiv(mSize, taskRows) * blocks, [&](int64_t task) {
      const int64_t i = task / blocks * taskRows, first = task % blocks * block;
      packRows<T>(from + i * a.rowStride, a.rowStride, a.columnStride, std::min(taskRows, mSize - i), k, first,
                  std::min(block, units - first), packedA + i * units);
    }, worthwhile());
  }

  void multiply(int64_t batch, int64_t m0, int64_t mSize, int64_t n0, int64_t nSize) const {
    const int64_t panels = ceilDiv(nSize, tileColumns);
    parallelTasks(ceilDiv(mSize, taskRows) * panels, [&](int64_t task) {
      const int64_t i0 = task / panels * taskRows, panel = task % panels;
      multiplyTask(batch, m0, i0, std::min(taskRows, mSize - i0), n0, panel, std::min(tileColumns, nSize - panel * tileColumns));
    }, worthwhile());
  }

  // Some ten microseconds of arithmetic on one thread; to wake the others takes a few.
  bool worthwhile() const { return m * n * k >= 1 << 19; }

  // Rows m0 + i0 …, one panel, all of k; between blocks of k the sums wait in a tile on the stack.
  void multiplyTask(int64_t batch, int64_t m0, int64_t i0, int64_t size, int64_t n0, int64_t panel, int64_t columns) const {
    const int64_t units = unitsOf<T>(k), blocks = std::max<int64_t>(1, ceilDiv(units, blockUnits));
    const int64_t block = ceilDiv(units, blocks), outSize = outBf16 ? 2 : sizeof(A);
    alignas(64) A tile[taskRows * tileColumns];
    A biases[tileColumns];
    const int64_t column = n0 + panel * tileColumns;
    if (bias)
      for (int64_t j = 0; j < columns; j++)
        biases[j] = biasBf16 ? widen(static_cast<const bf16*>(bias)[column + j]) : static_cast<const A*>(bias)[column + j];
    for (int64_t index = 0; index < blocks; index++) {
      const int64_t u0 = index * block, count = std::min(block, units - u0);
      const Unit<T>* right = packedB + (panel * units + u0) * tileColumns;
      for (int64_t i = i0; i < i0 + size; i += tileRows) {
        Finish<A> finish;
        if (index > 0) finish.in = tile + (i - i0) * tileColumns, finish.inStride = tileColumns;
        if (index + 1 < blocks) {
          finish.out = tile + (i - i0) * tileColumns, finish.outStride = tileColumns;
        } else {
          finish.out = out + (batch * outBatchStride + (m0 + i) * outRowStride + column) * outSize;
          finish.outStride = outRowStride;
          finish.outBf16 = outBf16;
          finish.accumulate = accumulate;
          finish.bias = bias ? biases : nullptr;
          finish.columns = columns;
        }
        multiplyTile<T>(std::min(tileRows, i0 + size - i), leftRows(batch, m0, i, u0), right, count, finish);
      }
    }
  }

  Rows leftRows(int64_t batch, int64_t m0, int64_t i, int64_t u0) const {
    constexpr int64_t unit = sizeof(Unit<T>);
    if (packA) return {reinterpret_cast<const char*>(packedA + i * unitsOf<T>(k) + u0 * tileRows), unit, tileRows * unit};
    const T* row = static_cast<const T*>(a.data) + batch * a.batchStride + (m0 + i) * a.rowStride;
    return {reinterpret_cast<const char*>(row + u0 * UnitOf<T>::elements), a.rowStride * int64_t(sizeof(T)), unit};
  }
};

std::unique_ptr<Kernel> matmul(const KernelCall& call) {
  const bool hasBias = call.kernel == "matmul_bias";
  requireOperands(call, hasBias ? 4 : 3);
  const Operand& a = operand(call, 0, 3, false);
  const Operand& b = operand(call, 1, 3, false);
  const Operand& out = operand(call, hasBias ? 3 : 2, 3);
  const int64_t batches = out.sizes[0], m = out.sizes[1], n = out.sizes[2], k = a.sizes[2];
  require(call, a.sizes[0] == batches && b.sizes[0] == batches && a.sizes[1] == m && b.sizes[1] == k && b.sizes[2] == n,
          "a[b m k], b[b k n], out[b m n]");
  require(call, a.dtype == b.dtype, "a and b have one type");
  const auto unit = [](const Operand& o, int i) { return o.strides[i] == 1 || o.sizes[i] == 1; };
  require(call, unit(a, 1) || unit(a, 2), "a has unit stride in m or k");
  require(call, unit(b, 1) || unit(b, 2), "b has unit stride in k or n");

  return withFloat(call, a.dtype, [&]<class T>(Tag<T>) -> std::unique_ptr<Kernel> {
    using A = Accumulator<T>;
    require(call, out.dtype == dtypeOf<A> || (out.dtype == DType::bf16 && a.dtype != DType::f64), "out is T or f32");
    requireScratch(call, workspace::matmul(m, n, k, sizeof(T)));
    // Strides of dimensions of size 1 mean nothing; give them the value that keeps the fast paths.
    const int64_t kOfA = a.sizes[2] == 1 ? 1 : a.strides[2], mOfA = a.sizes[1] == 1 && kOfA != 1 ? 1 : a.strides[1];
    const int64_t nOfB = b.sizes[2] == 1 && b.strides[1] != 1 ? 1 : b.strides[2];
    const int64_t kOfB = b.sizes[1] == 1 && nOfB != 1 ? 1 : b.strides[1];
    Product<T> product{batches, m, n, k, {a.data, a.strides[0], mOfA, kOfA}, {b.data, b.strides[0], kOfB, nOfB},
                       static_cast<char*>(out.data), out.strides[0], out.strides[1], out.dtype == DType::bf16,
                       number(call, "accumulate", 0) != 0, nullptr, false, nullptr, nullptr, false};
    if (hasBias) {
      const Operand& bias = operand(call, 2, 1);
      product.biasBf16 = bias.dtype == DType::bf16;
      require(call, bias.sizes[0] == n && (bias.dtype == dtypeOf<A> || (product.biasBf16 && a.dtype != DType::f64)),
              "bias[n]: f32 or bf16 (f64 for f64)");
      product.bias = bias.data;
    }
    product.packedB = static_cast<Unit<T>*>(call.scratch);
    product.packedA = product.packedB + workspace::matmul_columns(n, k) * unitsOf<T>(paddedK(k));
    product.packA = kOfA != 1 || k % UnitOf<T>::elements != 0;
    return makeKernel([product] { product.run(); });
  });
}

const KernelRegistration registerMatmul{"matmul", byDevice<matmul>};
const KernelRegistration registerMatmulBias{"matmul_bias", byDevice<matmul>};

}  // namespace

}  // namespace flotilla
