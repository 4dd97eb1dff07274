/** Einsums of two operands as batched matrix products: which factors are batch, rows, columns and summed. */
import { atLeastF32, dtypeBytes, type DType } from '../ir/dtype.js';
import type { FactorName } from '../ir/type.js';
import { noScratch, scratchOnCpu, type ByDevice } from './device.js';
import { launchOperand } from './elementwise.js';
import {
  grouped,
  inputOf,
  localSizes,
  mergeable,
  outputOf,
  unitStride,
  without,
  type LaunchForm,
  type KernelSite,
  type LaunchOperand,
  type NamedBlock,
} from './site.js';
import { stagedLaunches, type Copy } from './staged.js';
import { isNarrowFloat } from './types.js';
import { workspace } from './workspaces.js';

interface Roles {
  readonly b: readonly FactorName[];
  readonly m: readonly FactorName[];
  readonly n: readonly FactorName[];
  readonly k: readonly FactorName[];
}

/**
 * A product of two operands by matrix products, whatever the order of their factors: on copies in the order of the roles where the
 * operands do not lie as the kernel takes them, or have two float types. Null where the factors do not fall into the roles, where none
 * is of rows or columns alone (a dot product for each result), or for types of no matrix product.
 */
export function productLaunches(site: KernelSite): readonly LaunchForm[] | null {
  const [x, w] = site.rule.operands;
  const roles = site.rule.operands.length === 2 ? rolesOf(x, w, site.rule.results[0]) : null;
  if (!roles || !multiplies(site, true)) return null;
  const sizes = localSizes(site);
  if ([...roles.m, ...roles.n].every((name) => sizes[name] === 1)) return null;
  const { b, m, n, k } = roles;
  const [left, right] = site.inputs.map(({ dtype }) => dtype);
  const wide = left === right ? left : 'f32';
  const of = (names: readonly FactorName[], dtype: DType): Copy => ({ names, dtype });
  const fits = matmulLaunches(site);
  if (fits) return fits;
  if (left !== right) {
    const inputs = [left, right].map((dtype, i) => (dtype === wide ? null : of(site.rule.operands[i], wide)));
    const launches = stagedLaunches(site, { inputs, outputs: [null] }, matmulLaunches);
    if (launches) return launches;
  }
  const inputs = [of([...b, ...m, ...k], wide), of([...b, ...k, ...n], wide)];
  const out = of([...b, ...m, ...n], atLeastF32(site.outputs[0].dtype));
  return (
    stagedLaunches(site, { inputs, outputs: [null] }, matmulLaunches) ??
    stagedLaunches(site, { inputs, outputs: [out] }, matmulLaunches)
  );
}

/** True where the addon multiplies matrices of these types into such a result; `mixed`: or of types that can be made one. */
function multiplies({ inputs: [a, c], outputs: [out] }: KernelSite, mixed: boolean): boolean {
  if (isNarrowFloat(a.dtype) && isNarrowFloat(c.dtype))
    return isNarrowFloat(out.dtype) && (mixed || a.dtype === c.dtype);
  return a.dtype === 'f64' && c.dtype === 'f64' && out.dtype === 'f64';
}

/**
 * `out[b m n] (+)= Σ_k a[b m k] · c[b k n]`. The kernel writes rows of n with unit stride, so the operand that has the result's
 * innermost factor is the right one. Where a role's factors do not lie as one dimension, one factor becomes a loop of launches: the
 * shortest that helps. Null where the factors do not fall into these roles, or the operands have several types.
 */
export function matmulLaunches(site: KernelSite): readonly LaunchForm[] | null {
  const { rule } = site;
  if (rule.operands.length !== 2 || !multiplies(site, false)) return null;
  if (!rolesOf(rule.operands[0], rule.operands[1], rule.results[0])) return null;
  const product = inOrder(site, 0, 1) ?? inOrder(site, 1, 0);
  if (product) return [product];
  const sizes = localSizes(site);
  const factors = Object.keys(sizes).filter((name) => sizes[name] > 1);
  factors.sort((a, b) => sizes[a] - sizes[b]);
  for (const factor of factors) {
    const launches = launchesAlong(site, factor, sizes[factor]);
    if (launches) return launches;
  }
  return null;
}

/** One product, or a loop of them, for each index of a factor. */
function launchesAlong(site: KernelSite, factor: FactorName, size: number): readonly LaunchForm[] | null {
  const { rule } = site;
  const summed = !rule.results[0].includes(factor);
  // Between launches a sum waits in the result: not in fewer digits than it is made in.
  if (summed && !['f32', 'f64'].includes(site.outputs[0].dtype)) return null;
  const inputs = site.inputs.map((_, i) => without(inputOf(site, i), factor));
  const outputs = site.outputs.map((_, i) => without(outputOf(site, i), factor));
  const slice: KernelSite = {
    ...site,
    rule: { ...rule, operands: inputs.map(({ names }) => names), results: outputs.map(({ names }) => names) },
    inputs: inputs.map(({ block }) => block),
    outputs: outputs.map(({ block }) => block),
  };
  const each = matmulLaunches(slice);
  if (!each) return null;
  const strideOf = (of: LaunchOperand['of']) =>
    'input' in of ? inputs[of.input].stride : 'output' in of ? outputs[of.output].stride : 0;
  return Array.from({ length: size }, (_, index) =>
    each.map((launch) => ({
      ...launch,
      operands: launch.operands.map((o) => ({ ...o, offset: (o.offset ?? 0) + index * strideOf(o.of) })),
      attributes: summed && index > 0 ? { ...launch.attributes, accumulate: 1 } : launch.attributes,
    })),
  ).flat();
}

/** A product's launch alone: its site lacks the operand that is added. */
const productOf = (site: KernelSite): KernelSite => ({
  ...site,
  rule: { ...site.rule, operands: site.rule.operands.slice(0, 2) },
  inputs: site.inputs.slice(0, 2),
});

/** A product plus a row of its columns. Null where the third operand is none, or the product is more than one launch. */
export function matmulBiasLaunch(site: KernelSite): LaunchForm | null {
  const [matmul, ...more] = matmulLaunches(productOf(site)) ?? [];
  const bias = matmul && more.length === 0 ? row(site, matmul) : null;
  if (!bias) return null;
  return { ...matmul, kernel: 'matmul_bias', operands: [...matmul.operands.slice(0, 2), bias, matmul.operands[2]] };
}

/** A product plus any third operand: the product by itself, in at least f32, and an addition. */
export function productAndSumLaunches(
  site: KernelSite,
  multiply: (product: KernelSite) => readonly LaunchForm[],
): readonly LaunchForm[] | null {
  const product = productOf(site);
  const [names] = site.rule.results;
  if (!['bf16', 'f16'].includes(site.outputs[0].dtype)) return [...multiply(product), sumOf(site, outputOf(site, 0))];
  const copies = { inputs: [null, null], outputs: [{ names, dtype: atLeastF32(site.outputs[0].dtype) }] };
  return stagedLaunches(product, copies, multiply, (staged) => sumOf(site, staged));
}

/** The third operand added to a block that has the result's factors. */
function sumOf(site: KernelSite, product: NamedBlock): LaunchForm {
  const sizes = localSizes(site);
  const blocks = [product, inputOf(site, 2), outputOf(site, 0)];
  const groups = mergeable(site.rule.results[0], blocks, sizes);
  const operands = blocks.map((block) => launchOperand(block, groups, sizes));
  return { kernel: 'add', operands, attributes: {}, scratchBytes: noScratch };
}

/** The third operand as one row with unit stride; null where it is not the columns of the product. */
function row(site: KernelSite, product: LaunchForm): LaunchOperand | null {
  const [x, w, bias] = site.rule.operands;
  const right = product.operands[1].of;
  const own = 'input' in right && right.input === 1 ? [w, x] : [x, w];
  const columns = site.rule.results[0].filter((name) => own[0].includes(name) && !own[1].includes(name));
  if (columns.join() !== bias.join()) return null;
  const merged = grouped(site.inputs[2], bias, [columns], localSizes(site));
  const { dtype } = site.inputs[2];
  const beside = site.inputs[0].dtype === 'f64' ? dtype === 'f64' : isNarrowFloat(dtype);
  if (!merged || merged.strides[0] !== 1 || !beside) return null;
  return { of: { input: 2 }, ...merged };
}

function inOrder(site: KernelSite, left: number, right: number): LaunchForm | null {
  const { rule } = site;
  const [x, w, y] = [rule.operands[left], rule.operands[right], rule.results[0]];
  const roles = rolesOf(x, w, y);
  if (!roles) return null;
  const { b, m, n, k } = roles;
  const innermost = y[y.length - 1];
  if (n.length > 0 ? !n.includes(innermost) : m.length > 0 && y.length > 0 && !b.includes(innermost)) return null;
  const sizes = localSizes(site);
  const a = grouped(site.inputs[left], x, [b, m, k], sizes);
  const c = grouped(site.inputs[right], w, [b, k, n], sizes);
  const out = grouped(site.outputs[0], y, [b, m, n], sizes);
  if (!a || !c || !out) return null;
  const unit = (one: { sizes: readonly number[]; strides: readonly number[] }, dimension: number) =>
    one.sizes[dimension] <= 1 || one.strides[dimension] === 1;
  if (!unit(out, 2) || ![a, c].every((one) => unit(one, 1) || unit(one, 2))) return null;
  const [rows, depth] = [a.sizes[1], a.sizes[2]];
  return {
    kernel: 'matmul',
    operands: [
      { of: { input: left }, ...unitStride(a) },
      { of: { input: right }, ...unitStride(c) },
      { of: { output: 0 }, ...unitStride(out) },
    ],
    attributes: { accumulate: site.accumulates[0] ? 1 : 0 },
    scratchBytes: matmulScratch(rows, c.sizes[2], depth, dtypeBytes[site.inputs[left].dtype]),
  };
}

/** Workspace of a product. Rows, columns, depth in elements; `size` in bytes. */
export const matmulScratch = (m: number, n: number, k: number, size: number): ByDevice<number> =>
  scratchOnCpu(workspace('matmul', { m, n, k, size }));

function rolesOf(x: readonly FactorName[], w: readonly FactorName[], y: readonly FactorName[]): Roles | null {
  const all = [...new Set([...x, ...w])];
  // A factor that one operand alone has and the result lacks would have to be summed first; one that only the result has, repeated.
  if (all.some((name) => !y.includes(name) && !(x.includes(name) && w.includes(name)))) return null;
  if (y.some((name) => !all.includes(name))) return null;
  const pick = (list: readonly FactorName[], keep: (name: FactorName) => boolean) => list.filter(keep);
  return {
    b: pick(y, (name) => x.includes(name) && w.includes(name)),
    m: pick(y, (name) => x.includes(name) && !w.includes(name)),
    n: pick(y, (name) => !x.includes(name) && w.includes(name)),
    k: pick(x, (name) => !y.includes(name)),
  };
}
