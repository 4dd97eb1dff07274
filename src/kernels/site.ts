/**
 * A kernel site: one op of a program, as the kernel table sees it: local sizes, strides and origins of one rank. A kernel sees each
 * operand with one dimension a letter of its signature, the factors of a letter merged.
 */
import type { DType } from '../ir/dtype.js';
import type { Attributes } from '../ir/graph.js';
import type { OpRule } from '../ir/rule.js';
import { rowMajor } from '../ir/strides.js';
import { sizesOf, type FactorName, type TensorType } from '../ir/type.js';
import type { ByDevice } from './device.js';

/** A strided block: sizes and strides in elements, one a dimension. */
export interface Block {
  readonly dtype: DType;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

export interface KernelSite {
  readonly op: string;
  readonly rule: OpRule;
  readonly attributes: Attributes;
  /** One dimension a factor, in the order of the rule's lists. */
  readonly inputs: readonly Block[];
  readonly outputs: readonly Block[];
  /** Which results are added to what is there. */
  readonly accumulates: readonly boolean[];
  /** All inputs are one value: a square. */
  readonly sameInputs: boolean;
  /** Global start of the local block of each factor in `rule.origins`. */
  readonly origins: Readonly<Record<FactorName, number>>;
}

/** A copy of a block in the site's workspace, `staged` bytes from its start: see `staged.ts`. */
export interface StagedBlock {
  readonly staged: number;
  readonly dtype: DType;
  /** What a launch does with it. */
  readonly access: 'read' | 'write';
}

/** Which block an operand of a launch is. */
export type BlockReference = { readonly input: number } | { readonly output: number } | StagedBlock;

/** An operand of a launch: which block, and the sizes and strides under which the kernel sees it. */
export interface LaunchOperand {
  readonly of: BlockReference;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  /** Elements from the block's first. */
  readonly offset?: number;
}

/** How many operands of a launch are read: all but the results, which stand last. An output among the first is added to. */
export const readsOf = (operands: readonly LaunchOperand[]): number =>
  operands.findLastIndex(({ of }) => 'input' in of || ('staged' in of && of.access === 'read')) + 1;

/** One call of a native kernel. A site may take several, which share one workspace. */
export interface KernelLaunchSpec {
  readonly kernel: string;
  readonly operands: readonly LaunchOperand[];
  readonly attributes: Readonly<Record<string, number | readonly number[]>>;
  /** Bytes of the workspace that hold copies of blocks; the kernel's own part lies behind them. */
  readonly stagedBytes: number;
  /** The kernel's own part, in bytes. */
  readonly scratchBytes: number;
}

/** A launch for any type of device: they differ in the kernel's own workspace alone. Absent `stagedBytes` are none. */
export interface LaunchForm extends Omit<KernelLaunchSpec, 'scratchBytes' | 'stagedBytes'> {
  readonly scratchBytes: ByDevice<number>;
  readonly stagedBytes?: number;
}

/** Workspace that all launches of a site need, in bytes. */
export const workspaceBytes = (launches: readonly KernelLaunchSpec[]): number =>
  Math.max(0, ...launches.map(({ stagedBytes, scratchBytes }) => stagedBytes + scratchBytes));

export const contiguous = (type: TensorType): Block => {
  const sizes = sizesOf(type);
  return { dtype: type.dtype, sizes, strides: rowMajor(sizes) };
};

/** One of a site's blocks, with the names of its dimensions and which of the blocks it is. */
export interface NamedBlock {
  readonly block: Block;
  readonly names: readonly FactorName[];
  readonly of: BlockReference;
}

export const inputOf = (site: KernelSite, input: number): NamedBlock => ({
  block: site.inputs[input],
  names: site.rule.operands[input],
  of: { input },
});

export const outputOf = (site: KernelSite, output: number): NamedBlock => ({
  block: site.outputs[output],
  names: site.rule.results[output],
  of: { output },
});

/** A block at one index of a factor, and how far the next index is: 0 where the block lacks the factor. */
export function without<B extends Pick<NamedBlock, 'block' | 'names'>>(named: B, factor: FactorName) {
  const { block, names } = named;
  const at = names.indexOf(factor);
  if (at < 0) return { ...named, stride: 0 };
  const drop = <T>(list: readonly T[]) => list.filter((_, i) => i !== at);
  return {
    ...named,
    block: { ...block, sizes: drop(block.sizes), strides: drop(block.strides) },
    names: drop(names),
    stride: block.strides[at],
  };
}

/** Elements of a list of factors, by the local sizes of the site. */
export function localSizes(site: KernelSite): Readonly<Record<FactorName, number>> {
  const sizes: Record<FactorName, number> = {};
  const note = (names: readonly FactorName[], block: Block) =>
    names.forEach((name, i) => (sizes[name] = block.sizes[i]));
  site.rule.operands.forEach((names, i) => note(names, site.inputs[i]));
  site.rule.results.forEach((names, i) => note(names, site.outputs[i]));
  return sizes;
}

/**
 * The strides of a block when its factors are grouped: one size and stride a group. A group that the block lacks has stride 0. Null
 * where a group's factors do not lie as one dimension.
 */
export function grouped(
  block: Block,
  names: readonly FactorName[],
  groups: readonly (readonly FactorName[])[],
  sizes: Readonly<Record<FactorName, number>>,
): { sizes: readonly number[]; strides: readonly number[] } | null {
  const merged = groups.map((group) => {
    const size = group.reduce((n, name) => n * sizes[name], 1);
    if (size === 0) return { size, stride: 1 };
    const present = group.filter((name) => sizes[name] !== 1);
    const at = present.map((name) => names.indexOf(name));
    if (at.every((i) => i < 0)) return { size, stride: 0 };
    if (at.some((i) => i < 0)) return null;
    for (let i = 0; i + 1 < at.length; i++) {
      if (block.strides[at[i]] !== block.strides[at[i + 1]] * block.sizes[at[i + 1]]) return null;
    }
    return { size, stride: block.strides[at[at.length - 1]] };
  });
  if (merged.some((m) => m === null)) return null;
  return { sizes: merged.map((m) => m!.size), strides: merged.map((m) => m!.stride) };
}

/** The fewest groups of adjacent factors that every block can merge: how elementwise kernels get long inner loops. */
export function mergeable(
  order: readonly FactorName[],
  blocks: readonly { readonly block: Block; readonly names: readonly FactorName[] }[],
  sizes: Readonly<Record<FactorName, number>>,
): readonly (readonly FactorName[])[] {
  const groups: FactorName[][] = [];
  for (const name of order) {
    const last = groups[groups.length - 1];
    if (last && blocks.every(({ block, names }) => grouped(block, names, [[...last, name]], sizes) !== null))
      last.push(name);
    else groups.push([name]);
  }
  return groups;
}

/** Dimensions of one element have any stride: one is what kernels ask for. */
export function unitStride({ sizes, strides }: { sizes: readonly number[]; strides: readonly number[] }) {
  return { sizes, strides: strides.map((stride, i) => (sizes[i] === 1 ? 1 : stride)) };
}
