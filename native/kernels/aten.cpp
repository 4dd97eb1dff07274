// Every kernel of this folder once more, as plain ATen calls: with the attribute aten=1 an independent reference on any device, and
// on devices other than the CPU what serves a kernel that has no form in library.cpp. Written to be plainly right: views are built
// when the program is loaded, but many expressions allocate temporaries inside torch. Attention makes the whole s × t matrix of scores.
// bf16 is widened to f32 before it is computed with, except in matrix products, which the library accumulates in f32.
// Nothing here makes the host wait for the device.
#include <ATen/ATen.h>

#include "../arena.h"
#include "../tensor_at.h"
#include "aten_call.h"
#include "attention_operands.h"
#include "support.h"

namespace flotilla {

namespace {

using at::Tensor;
using Body = void (*)(const AtenCall&);

void matmul(const AtenCall& c) {
  const bool biased = c.kernel == "matmul_bias";
  const Tensor &a = c.x[0], &b = c.x[1];
  Tensor out = c.x.back();
  if (!biased && out.scalar_type() == a.scalar_type() && !c.accumulates()) {
    at::bmm_out(out, a, b);
    return;
  }
  Tensor product = at::bmm(c.wide(0), c.wide(1));  // f32 until the one rounding
  if (biased) product = product + c.wide(2);
  c.writeOrAdd(c.x.size() - 1, product);
}

struct Scores {
  Tensor q, k, v, scores, hidden;  // [b h s d], [b h t d], [b h s t]; hidden: true where a query does not see a key
  Tensor biases;                   // [s t]: which bias each takes
};
AttentionOperands attentionOperands(const AtenCall& c) {
  return AttentionOperands([&](const char* name) { return c.number(name) != 0; });
}
Scores scoresOf(const AtenCall& c) {
  const AttentionOperands at = attentionOperands(c);
  const auto has = [](size_t i) { return i != AttentionOperands::none; };
  const int64_t repeat = c.x[0].size(2) / c.x[1].size(2), s = c.x[0].size(1), t = c.x[1].size(1);
  const auto heads = [&](size_t i) { return c.wide(i).transpose(1, 2).repeat_interleave(repeat, 1); };
  Scores r{c.wide(0).transpose(1, 2), heads(1), heads(2), {}, {}, {}};
  r.scores = at::matmul(r.q, r.k.transpose(2, 3)) * c.number("scale");
  const auto positions = c.x[0].options().dtype(at::kLong);
  const Tensor query = at::arange(s, positions).unsqueeze(1) + int64_t(c.number("query_start"));
  const Tensor key = at::arange(t, positions).unsqueeze(0) + int64_t(c.number("key_start"));
  const Tensor distance = key - query;
  if (has(at.slopes)) r.scores = r.scores - c.x[at.slopes].view({-1, 1, 1}) * distance.abs();
  if (has(at.bias)) {
    const int64_t n = c.x[at.bias].size(1);
    r.biases = (distance + n / 2).clamp(0, n - 1);
    r.scores = r.scores + c.x[at.bias].index_select(1, r.biases.flatten()).view({-1, s, t});
  }
  const bool causal = c.number("causal") != 0;
  const int64_t window = int64_t(c.number("window"));
  r.hidden = causal ? key > query : at::zeros({s, t}, positions.dtype(at::kBool));
  if (window > 0) r.hidden = r.hidden | (query - key >= window);
  if (window > 0 && !causal) r.hidden = r.hidden | (key - query >= window);
  if (has(at.starts)) r.hidden = r.hidden | (key < c.x[at.starts].unsqueeze(1).unsqueeze(3));
  if (has(at.ends)) r.hidden = r.hidden | (key >= c.x[at.ends].unsqueeze(1).unsqueeze(3));
  return r;
}
// A query that sees no key has a logsumexp of −∞: what that gives is hidden.
Tensor probabilities(const Scores& r, const Tensor& logsumexp) {
  return at::exp(r.scores - logsumexp.unsqueeze(3)).masked_fill(r.hidden, 0);
}

void attention(const AtenCall& c) {
  const AttentionOperands at = attentionOperands(c);
  const Scores r = scoresOf(c);
  Tensor logsumexp = r.scores.masked_fill(r.hidden, -INFINITY).logsumexp(3);
  if (at.sinks != AttentionOperands::none) logsumexp = at::logaddexp(logsumexp, c.x[at.sinks].view({1, -1, 1}).expand_as(logsumexp));
  c.write(at.rest, at::matmul(probabilities(r, logsumexp), r.v).transpose(1, 2));
  c.write(at.rest + 1, logsumexp.transpose(1, 2));
}

void attentionBackward(const AtenCall& c) {
  const AttentionOperands at = attentionOperands(c);
  const Scores r = scoresOf(c);
  const double scale = c.number("scale");
  const int64_t groups = c.x[1].size(2), b = r.q.size(0), t = r.k.size(2), d = r.k.size(3);
  const Tensor logsumexp = c.x[at.rest + 1].transpose(1, 2), p = probabilities(r, logsumexp);
  const Tensor o = c.wide(at.rest).transpose(1, 2), dO = c.wide(at.rest + 2).transpose(1, 2), delta = (o * dO).sum(3, true);
  const Tensor ds = p * (at::matmul(dO, r.v.transpose(2, 3)) - delta);
  const auto perGroup = [&](const Tensor& x) { return x.reshape({b, groups, -1, t, d}).sum(2).transpose(1, 2); };
  size_t to = at.rest + 3;
  c.write(to++, at::matmul(ds, r.k).transpose(1, 2) * scale);
  c.write(to++, perGroup(at::matmul(ds.transpose(2, 3), r.q)) * scale);
  c.write(to++, perGroup(at::matmul(p.transpose(2, 3), dO)));
  if (at.sinks != AttentionOperands::none)
    c.write(to++, -(at::exp(c.x[at.sinks].view({1, -1, 1}) - logsumexp) * delta.squeeze(3)).sum(at::IntArrayRef{0, 2}));
  if (at.bias != AttentionOperands::none)
    c.write(to, at::zeros_like(c.x[at.bias]).index_add(1, r.biases.flatten(), ds.sum(0).flatten(1)));
}

void layerNorm(const AtenCall& c) {
  const Tensor x = c.wide(0), mean = x.mean(1, true), centred = x - mean;
  const Tensor rstd = at::rsqrt((centred * centred).mean(1, true) + c.number("eps"));
  c.write(3, centred * rstd * c.wide(1) + c.wide(2));
  c.write(4, mean.squeeze(1));
  c.write(5, rstd.squeeze(1));
}
void layerNormBackward(const AtenCall& c) {
  const Tensor rstd = c.x[3].unsqueeze(1), normal = (c.wide(0) - c.x[2].unsqueeze(1)) * rstd, dy = c.wide(4), g = dy * c.wide(1);
  const Tensor dweight = (dy * normal).sum(0), dbias = dy.sum(0);
  c.write(5, rstd * (g - g.mean(1, true) - normal * (g * normal).mean(1, true)));
  c.write(6, dweight);
  c.write(7, dbias);
}
void rmsNorm(const AtenCall& c) {
  const Tensor x = c.wide(0), rstd = at::rsqrt((x * x).mean(1, true) + c.number("eps"));
  c.write(2, x * rstd * c.wide(1));
  c.write(3, rstd.squeeze(1));
}
void rmsNormBackward(const AtenCall& c) {
  const Tensor rstd = c.x[2].unsqueeze(1), normal = c.wide(0) * rstd, dy = c.wide(3), g = dy * c.wide(1);
  const Tensor dweight = (dy * normal).sum(0);
  c.write(4, rstd * (g - normal * (g * normal).mean(1, true)));
  c.write(5, dweight);
}

void softmax(const AtenCall& c) { c.write(1, at::softmax(c.wide(0), 1)); }
void softmaxBackward(const AtenCall& c) {
  const Tensor y = c.wide(0), dy = c.wide(1);
  c.write(2, y * (dy - (y * dy).sum(1, true)));
}

struct Labels {
  Tensor index, inside;  // [t 1]
};
Labels labelsOf(const AtenCall& c) {
  const Tensor label = c.x[1].to(at::kLong).unsqueeze(1) - int64_t(c.number("origin"));
  const int64_t v = c.x[0].size(1);
  return {label.clamp(0, v - 1), (label >= 0) & (label < v)};
}
void crossEntropy(const AtenCall& c) {
  const Tensor x = c.wide(0), logsumexp = x.logsumexp(1);
  const Labels labels = labelsOf(c);
  c.write(2, logsumexp - x.gather(1, labels.index).masked_fill(~labels.inside, 0).squeeze(1));
  c.write(3, logsumexp);
}
void crossEntropyBackward(const AtenCall& c) {
  const Labels labels = labelsOf(c);
  Tensor dx = at::exp(c.wide(0) - c.x[2].unsqueeze(1));
  dx.scatter_add_(1, labels.index, -labels.inside.to(dx.scalar_type()));
  c.write(4, dx * c.x[3].unsqueeze(1));
}

const char* geluForm(const AtenCall& c) { return c.number("exact") != 0 ? "none" : "tanh"; }
Tensor siluSlope(const Tensor& x) {
  const Tensor s = at::sigmoid(x);
  return s * (1 + x * (1 - s));
}
void swigluBackward(const AtenCall& c) {
  const Tensor gate = c.wide(0), up = c.wide(1), dy = c.wide(2);
  c.write(3, dy * up * siluSlope(gate));
  c.write(4, dy * at::silu(gate));
}

void turn(const AtenCall& c, size_t x, size_t cosine, double sign) {
  const Tensor cos = c.x[cosine].unsqueeze(1), sin = c.x[cosine + 1].unsqueeze(1) * sign;
  const auto halves = c.wide(x).chunk(2, 3);
  c.write(3, at::cat({halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin}, 3));
}

void addAll(const AtenCall& c) {
  Tensor sum = c.wide(0);
  for (size_t i = 1; i + 1 < c.x.size(); i++) sum = sum + c.wide(i);
  c.writeLast(sum);
}

// Rows of a table[a v… c] by ids: the index of each in a · Πv rows, and whether it lies inside. Both [a s k].
struct TableRows {
  Tensor index, inside;
  int64_t places = 1;
};
TableRows tableRows(const AtenCall& c, const Tensor& table) {
  const auto origins = c.numbers.find("origin");
  TableRows rows;
  for (int64_t d = 0; d + 2 < table.dim(); d++) {
    const int64_t origin = origins == c.numbers.end() ? 0 : int64_t(origins->second.at(d)), size = table.size(d + 1);
    const Tensor id = c.x[d + 1].to(at::kLong) - origin, inside = (id >= 0) & (id < size), index = id.clamp(0, size - 1);
    rows.inside = d == 0 ? inside : rows.inside & inside;
    rows.index = d == 0 ? index : rows.index * size + index;
    rows.places *= size;
  }
  const int64_t a = table.size(0);
  rows.index = rows.index + at::arange(a, rows.index.options()).reshape({a, 1, 1}) * rows.places;
  return rows;
}
void gather(const AtenCall& c) {
  const Tensor& table = c.x[0];
  const TableRows rows = tableRows(c, table);
  const auto shape = rows.index.sizes();
  const Tensor picked = table.reshape({-1, table.size(-1)}).index_select(0, rows.index.reshape({-1}));
  const Tensor each = AtenCall::widened(picked).reshape({shape[0], shape[1], shape[2], -1}).masked_fill(~rows.inside.unsqueeze(3), 0);
  c.writeLast(each.sum(2));
}
void scatterAdd(const AtenCall& c) {
  const Tensor& table = c.x.back();
  const TableRows rows = tableRows(c, table);
  const Tensor each = c.wide(0).unsqueeze(2).expand({-1, -1, rows.index.size(2), -1}).masked_fill(~rows.inside.unsqueeze(3), 0);
  Tensor sums = c.accumulates() ? AtenCall::widened(table).clone() : at::zeros_like(AtenCall::widened(table));
  sums = sums.reshape({-1, table.size(-1)}).contiguous();
  c.writeLast(sums.index_add_(0, rows.index.reshape({-1}), each.reshape({-1, table.size(-1)})).reshape(table.sizes()));
}

Tensor onGrid(const AtenCall& c, const Tensor& x) {
  const double shift = c.number("shift");
  return at::where(x.abs() <= c.number("most"), (x + shift) - shift, x * INFINITY);
}
void squareBins(const AtenCall& c) {
  Tensor rest = at::square(c.x[0].to(at::kDouble) * c.number("unit"));
  std::vector<Tensor> sums;
  for (const double shift : c.numbers.at("shifts")) {
    const Tensor part = (rest + shift) - shift;
    sums.push_back(part.sum());
    rest = rest - part;
  }
  c.write(1, at::stack(sums));
}

// einsum over views without the dimensions that an operand lacks (stride 0), each dimension a letter.
void einsum(const AtenCall& c) {
  const size_t operands = c.x.size() - 1;
  const Tensor& y = c.x.back();
  auto type = at::kFloat;
  for (const Tensor& x : c.x)
    if (x.scalar_type() == at::kDouble || at::isIntegralType(x.scalar_type(), true)) type = at::kDouble;
  std::vector<Tensor> terms;
  std::string equation;
  std::vector<bool> present(c.x[0].dim(), false);
  for (size_t i = 0; i < operands; i++) {
    Tensor x = c.x[i];
    std::string letters;
    for (int64_t d = x.dim() - 1; d >= 0; d--) {
      if (x.stride(d) == 0) {
        x = x.select(d, 0);
      } else {
        letters.insert(letters.begin(), char('a' + d));
        present[d] = true;
      }
    }
    terms.push_back(x.to(type));
    equation += (i > 0 ? "," : "") + letters;
  }
  equation += "->";
  for (int64_t d = 0; d < y.dim(); d++)
    if (present[d]) equation += char('a' + d);
  Tensor sum = at::einsum(equation, terms);
  for (int64_t d = 0; d < y.dim(); d++)
    if (!present[d]) sum = sum.unsqueeze(d);
  c.writeOrAdd(operands, sum * c.number("factor", 1));
}
void maxOver(const AtenCall& c) {
  const Tensor& y = c.x[1];
  Tensor value = c.wide(0);
  while (value.dim() > y.dim()) value = value.amax(value.dim() - 1);
  c.write(1, c.accumulates() ? at::maximum(c.wide(1), value) : value);
}

// The places that ids name, [o… l…], as indices of the table's dimensions: those addressed, then `own` of the loop's.
struct AnyPlaces {
  c10::List<std::optional<Tensor>> index;
  Tensor outside;
};
AnyPlaces anyPlaces(const AtenCall& c, const Tensor& table, int64_t own) {
  const auto origins = c.numbers.find("origin");
  const int64_t ids = int64_t(c.x.size()) - 2, dimensions = c.x[1].dim();
  AnyPlaces places;
  Tensor inside;
  for (int64_t i = 0; i < ids; i++) {
    const int64_t origin = origins == c.numbers.end() ? 0 : int64_t(origins->second.at(i)), size = table.size(i);
    const Tensor id = c.x[i + 1].to(at::kLong) - origin, within = (id >= 0) & (id < size);
    inside = i == 0 ? within : inside & within;
    places.index.push_back(id.clamp(0, size - 1));
  }
  for (int64_t d = 0; d < own; d++) {
    std::vector<int64_t> shape(dimensions, 1);
    shape[d] = c.x[1].size(d);
    places.index.push_back(at::arange(shape[d], c.x[1].options().dtype(at::kLong)).reshape(shape));
  }
  places.outside = ~inside;
  return places;
}
void gatherAny(const AtenCall& c) {
  const Tensor& y = c.x.back();
  const AnyPlaces places = anyPlaces(c, c.x[0], c.x[1].dim());
  Tensor sum = AtenCall::widened(c.x[0].index(places.index)).masked_fill(places.outside, 0);
  while (sum.dim() > y.dim()) sum = sum.sum(sum.dim() - 1);
  c.writeLast(sum);
}
void scatterAny(const AtenCall& c) {
  const Tensor& table = c.x.back();
  const int64_t own = table.dim() - (int64_t(c.x.size()) - 2);
  const AnyPlaces places = anyPlaces(c, table, own);
  const Tensor rows = c.wide(0).masked_fill(places.outside, 0);
  const Tensor sums = c.accumulates() ? AtenCall::widened(table).to(rows.scalar_type(), false, true) : at::zeros(table.sizes(), rows.options());
  c.writeLast(sums.index_put(places.index, rows, true));
}

void cumsum(const AtenCall& c) {
  const bool reverse = c.number("reverse") != 0;
  const Tensor x = reverse ? c.wide(0).flip(1) : c.wide(0), sums = x.cumsum(1);
  c.write(1, reverse ? sums.flip(1) : sums);
}
void topk(const AtenCall& c) {
  const Tensor order = std::get<1>(at::sort(c.x[0], true, 1, true));  // stable: the lower index first among equals
  c.write(1, order.narrow(1, 0, c.x[1].size(2)).transpose(1, 2));
}

void adamw(const AtenCall& c) {
  const double beta1 = c.number("beta1"), beta2 = c.number("beta2");
  const Tensor &p = c.x[0], &lr = c.x[4], go = c.x[8] == 0, g = c.wide(1) * c.x[5];
  const Tensor m = c.x[2] * beta1 + g * (1 - beta1), v = c.x[3] * beta2 + g * g * (1 - beta2);
  const Tensor next = p * (1 - lr * c.number("weight_decay")) -
                      lr / c.x[6] * m / (at::sqrt(v) / at::sqrt(c.x[7]) + c.number("eps"));
  const Tensor keptM = c.x[2].clone(), keptV = c.x[3].clone(), kept = p.clone();
  c.write(9, at::where(go, next, kept));
  c.write(10, at::where(go, m, keptM));
  c.write(11, at::where(go, v, keptV));
  if (c.x.size() > 12) c.write(12, c.x[9]);
}

// random.h on tensors of i64: a product of two 32-bit words wraps, but its upper and lower words are right.
Tensor uniformNumbers(const AtenCall& c, size_t seed, const Tensor& y) {
  constexpr int64_t word = 0xffffffff;
  const auto low = [](const Tensor& x) { return x & word; };
  const auto high = [](const Tensor& x) { return at::bitwise_right_shift(x, 32) & word; };
  const Tensor key = c.x[seed].to(at::kLong).reshape({}), step = c.x[seed + 1].to(at::kLong).reshape({});
  const int64_t elements = int64_t(c.number("elements", double(y.numel()))), start = int64_t(c.number("start"));
  Tensor counter = c.x[seed + 2].to(at::kLong).reshape({}) * elements + start;
  const auto strides = c.numbers.find("global_strides");
  int64_t contiguous = 1;
  for (int64_t d = y.dim() - 1; d >= 0; contiguous *= y.size(d--)) {
    std::vector<int64_t> shape(y.dim(), 1);
    shape[d] = y.size(d);
    const int64_t stride = strides == c.numbers.end() || strides->second.empty() ? contiguous : int64_t(strides->second[d]);
    counter = counter + at::arange(y.size(d), key.options()).reshape(shape) * stride;
  }
  const int64_t stream = int64_t(c.number("stream")) & word;
  Tensor c0 = low(counter), c1 = high(counter), c2 = low(step), c3 = at::zeros_like(step) + stream;
  Tensor k0 = low(key), k1 = high(key);
  for (int round = 0; round < 10; round++) {
    const Tensor a = c0 * 0xd2511f53, b = c2 * 0xcd9e8d57;
    c0 = high(b) ^ c1 ^ k0;
    c2 = high(a) ^ c3 ^ k1;
    c1 = low(b);
    c3 = low(a);
    k0 = low(k0 + 0x9e3779b9);
    k1 = low(k1 + 0xbb67ae85);
  }
  return at::bitwise_right_shift(c0, 8).to(at::kFloat) * 0x1p-24;
}
void dropout(const AtenCall& c, size_t x, size_t seed) {
  const double rate = c.number("rate");
  c.writeLast((c.wide(x) * (1 / (1 - rate))).masked_fill(uniformNumbers(c, seed, c.x[x]) < float(rate), 0));
}

const std::map<std::string, Body>& bodies() {
  static const std::map<std::string, Body> table = {
      {"matmul", matmul},
      {"matmul_bias", matmul},
      {"attention", attention},
      {"attention_backward", attentionBackward},
      {"layer_norm", layerNorm},
      {"layer_norm_backward", layerNormBackward},
      {"rms_norm", rmsNorm},
      {"rms_norm_backward", rmsNormBackward},
      {"softmax", softmax},
      {"softmax_backward", softmaxBackward},
      {"softmax_cross_entropy", crossEntropy},
      {"softmax_cross_entropy_backward", crossEntropyBackward},
      {"gelu", [](const AtenCall& c) { c.write(1, at::gelu(c.wide(0), geluForm(c))); }},
      {"gelu_backward", [](const AtenCall& c) {
         const Tensor x = c.wide(0);
         c.write(2, at::gelu_backward(c.wide(1).to(x.scalar_type()), x, geluForm(c)));
       }},
      {"silu", [](const AtenCall& c) { c.write(1, at::silu(c.wide(0))); }},
      {"silu_backward", [](const AtenCall& c) { c.write(2, c.wide(1) * siluSlope(c.wide(0))); }},
      {"swiglu", [](const AtenCall& c) { c.write(2, at::silu(c.wide(0)) * c.wide(1)); }},
      {"swiglu_backward", swigluBackward},
      {"rotary", [](const AtenCall& c) { turn(c, 0, 1, c.number("inverse") != 0 ? -1 : 1); }},
      {"rotary_backward", [](const AtenCall& c) { turn(c, 2, 0, -1); }},
      {"add", [](const AtenCall& c) { c.write(2, c.wide(0) + c.wide(1)); }},
      {"sub", [](const AtenCall& c) { c.write(2, c.wide(0) - c.wide(1)); }},
      {"mul", [](const AtenCall& c) { c.write(2, c.wide(0) * c.wide(1)); }},
      {"div", [](const AtenCall& c) { c.write(2, c.wide(0) / c.wide(1)); }},
      {"max", [](const AtenCall& c) { c.write(2, at::maximum(c.wide(0), c.wide(1))); }},
      {"min", [](const AtenCall& c) { c.write(2, at::minimum(c.wide(0), c.wide(1))); }},
      {"eq", [](const AtenCall& c) { c.write(2, c.wide(0) == c.wide(1)); }},
      {"ge", [](const AtenCall& c) { c.write(2, c.wide(0) >= c.wide(1)); }},
      {"gt", [](const AtenCall& c) { c.write(2, c.wide(0) > c.wide(1)); }},
      {"lt", [](const AtenCall& c) { c.write(2, c.wide(0) < c.wide(1)); }},
      {"le", [](const AtenCall& c) { c.write(2, c.wide(0) <= c.wide(1)); }},
      {"where", [](const AtenCall& c) { c.write(3, at::where(c.x[0] != 0, c.wide(1), c.wide(2))); }},
      {"add_n", addAll},
      {"cast", [](const AtenCall& c) {
         const bool truth = c.x[1].scalar_type() == at::kByte && c.x[0].scalar_type() != at::kByte;
         c.write(1, truth ? c.x[0] != 0 : c.x[0]);
       }},
      {"neg", [](const AtenCall& c) { c.write(1, -c.wide(0)); }},
      {"exp", [](const AtenCall& c) { c.write(1, at::exp(c.wide(0))); }},
      {"log", [](const AtenCall& c) { c.write(1, at::log(c.wide(0))); }},
      {"sqrt", [](const AtenCall& c) { c.write(1, at::sqrt(c.wide(0))); }},
      {"rsqrt", [](const AtenCall& c) { c.write(1, at::rsqrt(c.wide(0))); }},
      {"tanh", [](const AtenCall& c) { c.write(1, at::tanh(c.wide(0))); }},
      {"sigmoid", [](const AtenCall& c) { c.write(1, at::sigmoid(c.wide(0))); }},
      {"relu", [](const AtenCall& c) { c.write(1, at::relu(c.wide(0))); }},
      {"square", [](const AtenCall& c) { c.write(1, at::square(c.wide(0))); }},
      {"reciprocal", [](const AtenCall& c) { c.write(1, at::reciprocal(c.wide(0))); }},
      {"cos", [](const AtenCall& c) { c.write(1, at::cos(c.wide(0))); }},
      {"sin", [](const AtenCall& c) { c.write(1, at::sin(c.wide(0))); }},
      {"abs", [](const AtenCall& c) { c.write(1, at::abs(c.wide(0))); }},
      {"erf", [](const AtenCall& c) { c.write(1, at::erf(c.wide(0))); }},
      {"scale", [](const AtenCall& c) { c.write(1, c.wide(0) * c.number("factor")); }},
      {"add_scalar", [](const AtenCall& c) { c.write(1, c.wide(0) + c.number("value")); }},
      {"pow", [](const AtenCall& c) { c.write(1, at::pow(c.wide(0), c.number("exponent"))); }},
      {"iota", [](const AtenCall& c) {
         const int64_t start = int64_t(c.number("start"));
         c.write(0, at::arange(start, start + c.x[0].size(0), c.x[0].options().dtype(at::kLong)));
       }},
      {"sum", [](const AtenCall& c) { c.writeOrAdd(1, c.wide(0).sum(1)); }},
      {"max_reduce", [](const AtenCall& c) {
         const Tensor value = c.wide(0).amax(1);
         c.write(1, c.accumulates() ? at::maximum(c.wide(1), value) : value);
       }},
      {"sum_squares", [](const AtenCall& c) { c.writeOrAdd(1, at::square(c.x[0].to(at::kDouble)).sum().reshape(c.x[1].sizes())); }},
      {"square_bins", squareBins},
      {"fixed_point", [](const AtenCall& c) { c.write(1, onGrid(c, c.x[0].to(at::kDouble))); }},
      {"fixed_point_add", [](const AtenCall& c) { c.write(2, c.x[1] + onGrid(c, c.x[0].to(at::kDouble))); }},
      {"einsum", einsum},
      {"max_over", maxOver},
      {"gather", gather},
      {"scatter_add", scatterAdd},
      {"gather_any", gatherAny},
      {"scatter_any", scatterAny},
      {"cumsum", cumsum},
      {"topk", topk},
      {"random_uniform", [](const AtenCall& c) { c.write(3, uniformNumbers(c, 0, c.x[3])); }},
      {"dropout", [](const AtenCall& c) { dropout(c, 0, 1); }},
      {"dropout_backward", [](const AtenCall& c) { dropout(c, 3, 0); }},
      {"adamw", adamw},
      {"adamw_cast", adamw},
  };
  return table;
}

}  // namespace

AtenCall atenCall(const KernelCall& call) {
  AtenCall aten{call.kernel, {}, call.numbers};
  for (const Operand& o : call.operands) aten.x.push_back(tensorAt(o.data, o.sizes, o.strides, scalarType(o.dtype), at::Device(call.device)));
  return aten;
}

std::unique_ptr<Kernel> makeAtenKernel(const KernelCall& call) {
  const auto body = bodies().find(call.kernel);
  if (body == bodies().end()) misfit(call, "has no ATen form");
  return makeKernel([aten = atenCall(call), body = body->second] { body(aten); });
}

}  // namespace flotilla
