// gather and scatter_add of whole rows, by a table[a v… c] seen as [a·Πv c]:
//   gather       index_select_out, then zeros where an id lies outside; one id a row (k = 1)
//   scatter_add  _index_put_impl_ with accumulate, which sorts: sums in f32, in one order every time. Its checked form asks the device
//                for the largest index and waits; ids are clamped here, so the unchecked one is called.
// Allocates: the ids' places (8 bytes each, a few times); scatter_add the rows in the table's f32, what the sort needs (about 40
// bytes an id), and for a bf16 table its sums in f32.
#include <ATen/ops/_index_put_impl.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "library.h"

namespace flotilla::library {

namespace {

// How ids address a table: what does not change between launches.
struct Addressing {
  std::vector<Tensor> ids;  // [a s k], one for each v
  std::vector<int64_t> origins, sizes;
  int64_t a, places = 1;

  Addressing(const AtenCall& c, const Tensor& table) : ids(c.x.begin() + 1, c.x.end() - 1), a(table.size(0)) {
    const auto origin = c.numbers.find("origin");
    for (size_t i = 0; i < ids.size(); i++) {
      origins.push_back(origin == c.numbers.end() ? 0 : int64_t(origin->second.at(i)));
      sizes.push_back(table.size(int64_t(i) + 1));
      places *= sizes.back();
    }
  }

  struct Rows {
    Tensor index, inside;  // [a s k]: rows of [a·Πv c], and whether the ids lie inside
  };
  // The row of an id outside is any row of the table: those of one microbatch are spread, since a sort's equal keys are added one
  // after the other.
  Rows rows() const {
    Rows rows;
    for (size_t i = 0; i < ids.size(); i++) {
      const Tensor id = ids[i].to(at::kLong) - origins[i];
      const Tensor inside = (id >= 0).logical_and_(id < sizes[i]);
      rows.inside = i == 0 ? inside : rows.inside.logical_and_(inside);
      rows.index = i == 0 ? id : rows.index.mul_(sizes[i]).add_(id);
    }
    const auto longs = rows.index.options();
    const Tensor spread = at::arange(rows.index.numel(), longs).remainder_(places).view(rows.index.sizes());
    rows.index = at::where(rows.inside, rows.index, spread);
    if (a > 1) rows.index.add_(at::arange(a, longs).mul_(places).view({a, 1, 1}));
    return rows;
  }
};

bool addressable(const Tensor& table) { return table.is_contiguous() && table.numel() > 0; }

}  // namespace

std::unique_ptr<Kernel> gather(const AtenCall& c) {
  const Tensor& table = c.x.front();
  const Tensor& out = c.x.back();
  const bool single = c.x[1].size(2) == 1, direct = out.scalar_type() == table.scalar_type() && out.is_contiguous();
  if (!single || !addressable(table) || out.numel() == 0) return nullptr;
  const int64_t width = table.size(-1);
  return makeKernel([=, ids = Addressing(c, table), from = table.view({-1, width}), out = out]() mutable {
    const auto rows = ids.rows();
    if (direct) {
      Tensor to = out.view({-1, width});
      at::index_select_out(to, from, 0, rows.index.view({-1}));
    } else {
      out.copy_(from.index_select(0, rows.index.view({-1})).view(out.sizes()));
    }
    out.masked_fill_(rows.inside.logical_not(), 0);
  });
}

std::unique_ptr<Kernel> scatterAdd(const AtenCall& c) {
  const Tensor& table = c.x.back();
  if (!addressable(table) || c.x[1].numel() == 0) return nullptr;
  const bool accumulates = c.accumulates(), half = isHalf(table);
  const int64_t width = table.size(-1), k = c.x[1].size(2);
  return makeKernel([=, ids = Addressing(c, table), source = c.x[0], table = table.view({-1, width})]() mutable {
    const auto rows = ids.rows();
    const auto type = half ? at::kFloat : table.scalar_type();
    const Tensor each = source.unsqueeze(2).expand({-1, -1, k, -1}).to(type).masked_fill(rows.inside.logical_not().unsqueeze(3), 0);
    Tensor sums = half ? table.to(type) : table;
    if (!accumulates) sums.zero_();
    const c10::List<std::optional<Tensor>> index({rows.index.view({-1})});
    at::_index_put_impl_(sums, index, each.reshape({-1, width}), true, true);
    if (half) table.copy_(sums);
  });
}

}  // namespace flotilla::library
