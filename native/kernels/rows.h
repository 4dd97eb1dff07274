// What kernels over rows x[t c] share.
#pragma once

#include "support.h"

namespace flotilla {

// A [rows, columns] operand with unit stride along a row.
template <class T>
struct RowView {
  T* data;
  int64_t stride;
  T* row(int64_t i) const { return data + i * stride; }
};

template <class T>
RowView<T> rowView(const KernelCall& call, size_t i) {
  const Operand& o = operand(call, i, 2);
  return {dataOf<T>(o), o.strides[0]};
}

// A [n] operand of a type known already.
template <class T>
T* vectorOf(const KernelCall& call, size_t i, int64_t n) {
  const Operand& o = operand(call, i, 1);
  require(call, o.sizes[0] == n, "sizes agree");
  require(call, o.dtype == dtypeOf<std::remove_const_t<T>>, "statistics are f32 (f64 for f64), weights of one type");
  return dataOf<T>(o);
}

// Rows a task takes: about 16,384 elements.
inline int64_t rowsPerTask(int64_t columns) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, columns)); }

}  // namespace flotilla
