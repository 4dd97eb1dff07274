// Blocked matrix products: panels, and the tile of 6 rows by 64 columns that everything else is made of.
//
// A unit is what one multiply-add of a lane consumes along k: two neighbouring bf16 (one vdpbf16ps), one f32, one f64.
//   B, k × n, is packed into panels of 64 columns:  [n/64][units][64], columns and units past the end zero
//   A, m × k, is read in place where k is contiguous, else packed into panels of 6 rows: [m/6][units][6]
// Accumulators stay in registers (24 of AVX-512's 32) over all of k, or from one block of k to the next in a tile of f32,
// in the order of k: the bits of an element depend on k alone.
// Register blocking after Goto & van de Geijn 2008; bf16 products are exact and summed in f32, subnormals flushed to zero.
#pragma once

#include <cstring>
#include <type_traits>

#include "simd.h"

namespace flotilla::gemm {

constexpr int64_t tileRows = 6;
constexpr int64_t tileColumns = 64;

template <class T>
struct UnitOf {
  using type = T;
  static constexpr int64_t elements = 1;
};
template <>
struct UnitOf<bf16> {
  using type = uint32_t;
  static constexpr int64_t elements = 2;
};
template <class T>
using Unit = typename UnitOf<T>::type;
template <class T>
constexpr int64_t unitsOf(int64_t k) { return ceilDiv(k, UnitOf<T>::elements); }

// What becomes of a finished tile: out = product (+ in) (+ bias), the first `columns` columns of it.
template <class A>
struct Finish {
  const A* in = nullptr;      // earlier blocks of k, rows `inStride` apart; must hold 64 columns
  int64_t inStride = 0;
  void* out = nullptr;        // rows `outStride` elements apart
  int64_t outStride = 0;
  bool outBf16 = false;       // else the accumulator's type
  bool accumulate = false;    // out += instead of out =
  const A* bias = nullptr;    // `columns` of it
  int64_t columns = tileColumns;
};

// A operand of a tile: unit u of row i lies at base + i·row + u·unit bytes.
struct Rows {
  const char* base;
  int64_t row;
  int64_t unit;
};

// One tile of up to 6 rows: C[rows × 64] = A · panel, over `units`.
template <class T>
void multiplyTile(int64_t rows, const Rows& a, const Unit<T>* panel, int64_t units, const Finish<Accumulator<T>>& finish);

// Packs B[k × n], n ≤ 64, into one panel from unit `first` on: out[u − first][64] for u < first + count.
template <class T>
void packPanel(const T* b, int64_t kStride, int64_t nStride, int64_t k, int64_t n, int64_t first, int64_t count, Unit<T>* out);

// Packs A[m × k] whose rows are `mStride`, columns `kStride` apart into [m/6][units][6], units [first, first + count).
// `out` is the start of all panels, each `units` long.
template <class T>
void packRows(const T* a, int64_t mStride, int64_t kStride, int64_t m, int64_t k, int64_t first, int64_t count, Unit<T>* out);

// ---------------------------------------------------------------------------------------------------------------------

template <class T>
FLOTILLA_INLINE inline Unit<T> unitAt(const T* p, int64_t kStride, int64_t k, int64_t u) {
  if constexpr (std::is_same_v<T, bf16>) {
    const uint32_t low = p[2 * u * kStride].bits;
    const uint32_t high = 2 * u + 1 < k ? p[(2 * u + 1) * kStride].bits : 0;
    return low | high << 16;
  } else {
    return p[u * kStride];
  }
}

template <class T>
FLOTILLA_INLINE inline void storeFinished(const Accumulator<T>* c, int64_t row, const Finish<Accumulator<T>>& f) {
  using A = Accumulator<T>;
  for (int64_t j = 0; j < f.columns; j++) {
    A value = c[j];
    if (f.bias) value += f.bias[j];
    if (f.outBf16) {
      bf16* out = static_cast<bf16*>(f.out) + row * f.outStride + j;
      *out = narrow<bf16>(f.accumulate ? value + widen(*out) : value);
    } else {
      A* out = static_cast<A*>(f.out) + row * f.outStride + j;
      *out = f.accumulate ? *out + value : value;
    }
  }
}

// Any machine, any type.
template <class T>
void multiplyTilePortable(int64_t rows, const Rows& a, const Unit<T>* panel, int64_t units,
                          const Finish<Accumulator<T>>& finish) {
  using A = Accumulator<T>;
  vectorised([&]() FLOTILLA_INLINE {
    for (int64_t i = 0; i < rows; i++) {
      A c[tileColumns];
      for (int64_t j = 0; j < tileColumns; j++) c[j] = finish.in ? finish.in[i * finish.inStride + j] : A(0);
      for (int64_t u = 0; u < units; u++) {
        Unit<T> left;
        std::memcpy(&left, a.base + i * a.row + u * a.unit, sizeof left);
        const Unit<T>* b = panel + u * tileColumns;
        if constexpr (std::is_same_v<T, bf16>) {
          const A low = std::bit_cast<float>(left << 16), high = std::bit_cast<float>(left & 0xffff0000u);
#pragma omp simd
          for (int64_t j = 0; j < tileColumns; j++)
            c[j] += low * std::bit_cast<float>(b[j] << 16) + high * std::bit_cast<float>(b[j] & 0xffff0000u);
        } else {
#pragma omp simd
          for (int64_t j = 0; j < tileColumns; j++) c[j] += left * b[j];
        }
      }
      storeFinished<T>(c, i, finish);
    }
  });
}

#if FLOTILLA_X86

FLOTILLA_WIDE FLOTILLA_INLINE inline __m512 wideOf(const bf16* p, __mmask16 mask) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, p)), 16));
}

// RowsContiguous: the 6 rows of a unit lie side by side (a packed panel), else each row runs along k.
template <class T, int M, bool RowsContiguous>
FLOTILLA_WIDE void multiplyTileWide(const Rows& a, const Unit<T>* panel, int64_t units, const Finish<float>& finish) {
  constexpr int V = tileColumns / 16;
  constexpr int G = (M + 2) / 3;  // one pointer for three rows: x86 addresses base, base + s, base + 2s
  __m512 c[M][V];
#pragma GCC unroll 6
  for (int i = 0; i < M; i++)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++)
      c[i][j] = finish.in ? _mm512_loadu_ps(finish.in + i * finish.inStride + 16 * j) : _mm512_setzero_ps();
  const char* row[G];
  const int64_t rowBytes = RowsContiguous ? 4 : a.row;
#pragma GCC unroll 2
  for (int i = 0; i < G; i++) row[i] = a.base + 3 * i * rowBytes;
  const int64_t step = RowsContiguous ? a.unit : 4;
  const float* b = reinterpret_cast<const float*>(panel);
  for (int64_t u = 0; u < units; u++) {
    __m512 right[V];
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) right[j] = _mm512_loadu_ps(b + 16 * j);
#pragma GCC unroll 6
    for (int i = 0; i < M; i++) {
      const __m512 left = _mm512_set1_ps(*reinterpret_cast<const float*>(row[i / 3] + (i % 3) * rowBytes));
#pragma GCC unroll 4
      for (int j = 0; j < V; j++) {
        if constexpr (std::is_same_v<T, bf16>)
          c[i][j] = _mm512_dpbf16_ps(c[i][j], reinterpret_cast<__m512bh>(left), reinterpret_cast<__m512bh>(right[j]));
        else
          c[i][j] = _mm512_fmadd_ps(left, right[j], c[i][j]);
      }
    }
    b += tileColumns;
#pragma GCC unroll 2
    for (int i = 0; i < G; i++) row[i] += step;
  }
  if (finish.bias) {
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) {
      const int64_t left = finish.columns - 16 * j;
      const __mmask16 mask = left >= 16 ? 0xffff : left <= 0 ? 0 : __mmask16((1u << left) - 1);
      const __m512 bias = _mm512_maskz_loadu_ps(mask, finish.bias + 16 * j);
#pragma GCC unroll 6
      for (int i = 0; i < M; i++) c[i][j] = _mm512_add_ps(c[i][j], bias);
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < V; j++) {
    const int64_t left = finish.columns - 16 * j;
    const __mmask16 mask = left >= 16 ? 0xffff : left <= 0 ? 0 : __mmask16((1u << left) - 1);
#pragma GCC unroll 6
    for (int i = 0; i < M; i++) {
      __m512 value = c[i][j];
      if (finish.outBf16) {
        bf16* out = static_cast<bf16*>(finish.out) + i * finish.outStride + 16 * j;
        if (finish.accumulate) value = _mm512_add_ps(value, wideOf(out, mask));
        _mm256_mask_storeu_epi16(out, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
      } else {
        float* out = static_cast<float*>(finish.out) + i * finish.outStride + 16 * j;
        if (finish.accumulate) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, out));
        _mm512_mask_storeu_ps(out, mask, value);
      }
    }
  }
}

template <class T, bool RowsContiguous>
inline void multiplyTileWideRows(int64_t rows, const Rows& a, const Unit<T>* panel, int64_t units,
                                 const Finish<float>& finish) {
  switch (rows) {
    case 6: return multiplyTileWide<T, 6, RowsContiguous>(a, panel, units, finish);
    case 5: return multiplyTileWide<T, 5, RowsContiguous>(a, panel, units, finish);
    case 4: return multiplyTileWide<T, 4, RowsContiguous>(a, panel, units, finish);
    case 3: return multiplyTileWide<T, 3, RowsContiguous>(a, panel, units, finish);
    case 2: return multiplyTileWide<T, 2, RowsContiguous>(a, panel, units, finish);
    default: return multiplyTileWide<T, 1, RowsContiguous>(a, panel, units, finish);
  }
}

// 16 × 16 transpose of 32-bit units: `from` rows fromStride apart, `to` rows toStride apart, in units.
FLOTILLA_WIDE inline void transpose16(const char* from, int64_t fromBytes, uint32_t* to, int64_t toStride) {
  __m512i r[16], t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(from + i * fromBytes);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
    r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
    r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
    r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) _mm512_storeu_si512(to + i * toStride, r[i]);
}

#endif

template <class T>
void multiplyTile(int64_t rows, const Rows& a, const Unit<T>* panel, int64_t units, const Finish<Accumulator<T>>& finish) {
#if FLOTILLA_X86
  if constexpr (!std::is_same_v<T, double>) {
    if (hasWide()) {
      if (a.row == 4) return multiplyTileWideRows<T, true>(rows, a, panel, units, finish);
      return multiplyTileWideRows<T, false>(rows, a, panel, units, finish);
    }
  }
#endif
  multiplyTilePortable<T>(rows, a, panel, units, finish);
}

template <class T>
void packPanel(const T* b, int64_t kStride, int64_t nStride, int64_t k, int64_t n, int64_t first, int64_t count,
               Unit<T>* out) {
  const int64_t last = first + count;
  const int64_t whole = std::min(last, k / UnitOf<T>::elements);  // units that lie inside k
  int64_t u = first;
  if (nStride == 1) {
    vectorised([&]() FLOTILLA_INLINE {
      for (; u < whole; u++) {
        Unit<T>* to = out + (u - first) * tileColumns;
        const T* from = b + u * UnitOf<T>::elements * kStride;
        if (n == tileColumns) {
          if constexpr (std::is_same_v<T, bf16>) {
            const bf16* next = from + kStride;
#pragma omp simd
            for (int64_t j = 0; j < tileColumns; j++) to[j] = uint32_t(from[j].bits) | uint32_t(next[j].bits) << 16;
          } else {
            std::memcpy(to, from, tileColumns * sizeof(T));
          }
        } else {
          for (int64_t j = 0; j < n; j++) to[j] = unitAt(from + j, kStride, UnitOf<T>::elements, 0);
          for (int64_t j = n; j < tileColumns; j++) to[j] = 0;
        }
      }
    });
  }
#if FLOTILLA_X86
  else if constexpr (!std::is_same_v<T, double>) {
    if (kStride == 1 && n == tileColumns && hasWide())
      for (; u + 16 <= whole; u += 16)
        for (int64_t j = 0; j < tileColumns; j += 16)
          transpose16(reinterpret_cast<const char*>(b + j * nStride + u * UnitOf<T>::elements), nStride * sizeof(T),
                      reinterpret_cast<uint32_t*>(out + (u - first) * tileColumns + j), tileColumns);
  }
#endif
  for (; u < last; u++) {
    Unit<T>* to = out + (u - first) * tileColumns;
    for (int64_t j = 0; j < n; j++) to[j] = u * UnitOf<T>::elements < k ? unitAt(b + j * nStride, kStride, k, u) : Unit<T>(0);
    for (int64_t j = n; j < tileColumns; j++) to[j] = 0;
  }
}

template <class T>
void packRows(const T* a, int64_t mStride, int64_t kStride, int64_t m, int64_t k, int64_t first, int64_t count,
              Unit<T>* out) {
  // Panels lie a multiple of 4 KiB apart where k is a power of two: written a few bytes at a time in turn they would push each
  // other out of the cache. So 16 units of 16 panels are gathered first.
  constexpr int64_t panels = 16, strip = panels * tileRows, depth = 16;
  const int64_t units = unitsOf<T>(k), last = first + count;
  vectorised([&]() FLOTILLA_INLINE {
    for (int64_t i0 = 0; i0 < m; i0 += strip) {
      const int64_t n = std::min(strip, m - i0);
      for (int64_t u0 = first; u0 < last; u0 += depth) {
        Unit<T> gathered[panels][depth][tileRows];
        const int64_t deep = std::min(depth, last - u0);
        for (int64_t u = u0; u < u0 + deep; u++) {
          Unit<T> side[strip];
          const T* from = a + i0 * mStride + u * UnitOf<T>::elements * kStride;
          const bool whole = (u + 1) * UnitOf<T>::elements <= k;
          if (mStride == 1 && whole && n == strip) {
            if constexpr (std::is_same_v<T, bf16>) {
              const bf16* next = from + kStride;
#pragma omp simd
              for (int64_t i = 0; i < strip; i++) side[i] = uint32_t(from[i].bits) | uint32_t(next[i].bits) << 16;
            } else {
              std::memcpy(side, from, sizeof side);
            }
          } else {
            const int64_t left = k - u * UnitOf<T>::elements;
            for (int64_t i = 0; i < strip; i++) side[i] = i < n ? unitAt(from + i * mStride, kStride, left, 0) : Unit<T>(0);
          }
          for (int64_t p = 0; p < panels; p++)
            std::memcpy(gathered[p][u - u0], side + p * tileRows, tileRows * sizeof(Unit<T>));
        }
        for (int64_t p = 0; p * tileRows < n; p++)
          std::memcpy(out + i0 * units + (p * units + u0) * tileRows, gathered[p], deep * tileRows * sizeof(Unit<T>));
      }
    }
  });
}

}  // namespace flotilla::gemm
