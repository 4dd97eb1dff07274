/** Elementwise ops, sums, casts and copies as native launches. */
import type { DType } from '../ir/dtype.js';
import { headTailRuns } from '../ir/head_tail.js';
import type { FactorName } from '../ir/type.js';
import { noScratch, scratchOnCpu } from './device.js';
import { isInteger, isNarrowFloat } from './types.js';
import { workspace } from './workspaces.js';
import {
  grouped,
  inputOf,
  localSizes,
  mergeable,
  outputOf,
  without,
  type LaunchForm,
  type KernelSite,
  type LaunchOperand,
  type NamedBlock,
} from './site.js';

/** One kernel over all factors of the result: operands that lack a factor repeat along it. */
export function elementwiseLaunch(
  site: KernelSite,
  kernel: string,
  attributes: LaunchForm['attributes'] = {},
): LaunchForm {
  const order = site.rule.results[0];
  const sizes = localSizes(site);
  const blocks = blocksOf(site);
  const groups = mergeable(order, blocks, sizes);
  return { kernel, operands: blocks.map((b) => launchOperand(b, groups, sizes)), attributes, scratchBytes: noScratch };
}

/** The sum (or maximum) over factors that lie together: x[a r c] → y[a c]. Null where they do not, or for other types. */
export function reductionLaunch(site: KernelSite, kernel: 'sum' | 'max_reduce'): LaunchForm | null {
  const [x, y] = [site.rule.operands[0], site.rule.results[0]];
  if (!reduces(kernel, site.inputs[0].dtype, site.outputs[0].dtype)) return null;
  const reduced = x.filter((name) => !y.includes(name));
  if (reduced.length === 0 || y.some((name) => !x.includes(name))) return null;
  const sizes = localSizes(site);
  const inner = [...y].filter((name) => x.indexOf(name) > x.indexOf(reduced[reduced.length - 1]));
  const outer = y.filter((name) => !inner.includes(name));
  const input = grouped(site.inputs[0], x, [outer, reduced, inner], sizes);
  const output = grouped(site.outputs[0], y, [outer, inner], sizes);
  if (!input || !output) return null;
  const [a, r, c] = input.sizes;
  return {
    kernel,
    operands: [
      { of: { input: 0 }, ...input },
      { of: { output: 0 }, ...output },
    ],
    attributes: { accumulate: site.accumulates[0] ? 1 : 0 },
    scratchBytes: scratchOnCpu(workspace('reduction', { a, r, c })),
  };
}

function reduces(kernel: 'sum' | 'max_reduce', x: DType, y: DType): boolean {
  if (isNarrowFloat(x) && isNarrowFloat(y)) return true;
  return x === y && (x === 'f64' || (kernel === 'sum' && isInteger(x)));
}

/** A transpose, a repetition along new factors, a change of type: one strided copy. */
export const copyLaunch = (site: KernelSite): LaunchForm => elementwiseLaunch(site, 'cast');

/** A factor cut in two, or two joined, where no view of the operand will do: a copy between blocks that both have the two. */
export function cutLaunch(site: KernelSite): LaunchForm {
  const { operands, results, factors } = site.rule;
  const [one] = Object.keys(factors).filter((name) => factors[name].tied);
  const [major] = Object.keys(factors).filter((name) => factors[name].even);
  const both = [operands[0], results[0]].find((names) => names.includes(major))!;
  const minor = both[both.indexOf(major) + 1];
  const { size } = factors[minor];
  const cut = ({ block, names, of }: NamedBlock): NamedBlock => {
    const at = names.indexOf(one);
    if (at < 0) return { block, names, of };
    const [length, stride] = [block.sizes[at], block.strides[at]];
    const sizes = block.sizes.toSpliced(at, 1, length / size, size);
    const strides = block.strides.toSpliced(at, 1, stride * size, stride);
    return { of, names: both, block: { ...block, sizes, strides } };
  };
  const [from, to] = [inputOf(site, 0), outputOf(site, 0)].map(cut);
  return copyBetween(from, to, both, Object.fromEntries(both.map((name, i) => [name, to.block.sizes[i]])));
}

/** The same elements from one block in another, which has the factors `order`. */
export function copyBetween(
  from: NamedBlock,
  to: NamedBlock,
  order: readonly FactorName[],
  sizes: Readonly<Record<FactorName, number>>,
): LaunchForm {
  const groups = mergeable(order, [from, to], sizes);
  const operands = [from, to].map((block) => launchOperand(block, groups, sizes));
  return { kernel: 'cast', operands, attributes: {}, scratchBytes: noScratch };
}

/** y[i] = x[(i + by) mod n] along a factor: two copies of slices. */
export function rollLaunches(site: KernelSite): readonly LaunchForm[] {
  const factor = site.attributes.factor as FactorName;
  const n = localSizes(site)[factor];
  const by = (((site.attributes.by as number) % n) + n) % n;
  return sliceCopies(site, factor, [
    [by, 0, n - by],
    [0, n - by, by],
  ]);
}

/** Run by run, to where it is stored or from there. */
export function reorderLaunches(site: KernelSite): readonly LaunchForm[] {
  const factor = site.attributes.factor as FactorName;
  const runs = headTailRuns(localSizes(site)[factor], site.attributes.head_tail as number);
  const slices = runs.map(({ stored, position, length }): Slice =>
    site.attributes.back === true ? [stored, position, length] : [position, stored, length],
  );
  return sliceCopies(site, factor, slices);
}

/** Elements of a factor: the first of the operand, the first of the result, how many. */
type Slice = readonly [from: number, to: number, count: number];

/** A copy for each slice that is not empty. */
function sliceCopies(site: KernelSite, factor: FactorName, slices: readonly Slice[]): readonly LaunchForm[] {
  const sizes = localSizes(site);
  return slices
    .filter(([, , count]) => count > 0)
    .map(([from, to, count]) => {
      const local = { ...sizes, [factor]: count };
      const part = ({ block, names, of }: NamedBlock): NamedBlock => ({
        of,
        names,
        block: { ...block, sizes: names.map((name) => local[name]) },
      });
      const [x, y] = [inputOf(site, 0), outputOf(site, 0)];
      const strideOf = ({ block, names }: NamedBlock) => block.strides[names.indexOf(factor)];
      const copy = copyBetween(part(x), part(y), y.names, local);
      const [read, write] = copy.operands;
      const operands = [
        { ...read, offset: from * strideOf(x) },
        { ...write, offset: to * strideOf(y) },
      ];
      return { ...copy, operands };
    });
}

/** Each operand goes to its own slice of the result along the factor `factor`. */
export const stackLaunches = (site: KernelSite): readonly LaunchForm[] =>
  site.inputs.map((_, input) => sliceLaunch(site, inputOf(site, input), outputOf(site, 0), input));

/** Each result is copied from its own slice of the operand: where no view of it will do. */
export const unstackLaunches = (site: KernelSite): readonly LaunchForm[] =>
  site.outputs.map((_, output) => sliceLaunch(site, outputOf(site, output), inputOf(site, 0), output));

/** A copy between a block and one slice of the block that has the factor `factor` too; into whichever is a result. */
function sliceLaunch(site: KernelSite, part: NamedBlock, whole: NamedBlock, index: number): LaunchForm {
  const slice = without(whole, site.attributes.factor as FactorName);
  const local = localSizes(site);
  const groups = mergeable(slice.names, [part, slice], local);
  const sliced = { ...launchOperand(slice, groups, local), offset: index * slice.stride };
  const operands = [launchOperand(part, groups, local), sliced];
  if ('output' in part.of) operands.reverse();
  return { kernel: 'cast', operands, attributes: {}, scratchBytes: noScratch };
}

export const blocksOf = (site: KernelSite): readonly NamedBlock[] => [
  ...site.inputs.map((_, input) => inputOf(site, input)),
  ...site.outputs.map((_, output) => outputOf(site, output)),
];

export function launchOperand(
  { block, names, of }: NamedBlock,
  groups: readonly (readonly FactorName[])[],
  sizes: Readonly<Record<FactorName, number>>,
): LaunchOperand {
  const merged = grouped(block, names, groups, sizes)!;
  return { of, ...merged };
}
