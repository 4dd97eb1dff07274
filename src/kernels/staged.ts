/**
 * Kernels on copies: where operands do not lie as a kernel takes them, or have types that it does not take together, they are copied
 * into the site's workspace first, and results from there afterwards. Slower by those copies, so fast kernels are asked first.
 */
import { dtypeBytes, type DType } from '../ir/dtype.js';
import { rowMajor } from '../ir/strides.js';
import type { FactorName } from '../ir/type.js';
import { contractionLaunch } from './contraction.js';
import { copyBetween } from './elementwise.js';
import { inputOf, localSizes, outputOf, type KernelSite, type LaunchForm, type NamedBlock } from './site.js';

/** A block as a kernel is given it: without gaps, its factors in this order, in this element type. */
export interface Copy {
  readonly names: readonly FactorName[];
  readonly dtype: DType;
}

/** Which blocks are copied; null: the kernel takes the block as it is. */
export interface Copies {
  readonly inputs: readonly (Copy | null)[];
  readonly outputs: readonly (Copy | null)[];
}

/**
 * The launches that `launcher` gives for the site with copies in place of blocks, and those that make the copies and bring results
 * back. A result that is added to is made by itself and added when it is brought back. Null where the launcher gives null. `deliver`: how
 * a result is brought back, where that is no copy.
 */
export function stagedLaunches(
  site: KernelSite,
  copies: Copies,
  launcher: (site: KernelSite) => readonly LaunchForm[] | null,
  deliver: (staged: NamedBlock, output: number) => LaunchForm = (staged, output) =>
    site.accumulates[output]
      ? contractionLaunch('einsum', [staged], outputOf(site, output), { accumulate: 1 })
      : copyBetween(staged, outputOf(site, output), staged.names, localSizes(site)),
): readonly LaunchForm[] | null {
  const sizes = localSizes(site);
  let top = 0;
  const stage = ({ names, dtype }: Copy, access: 'read' | 'write'): NamedBlock => {
    const lengths = names.map((name) => sizes[name]);
    const of = { staged: top, dtype, access };
    top += roundUp(lengths.reduce((n, size) => n * size, 1) * dtypeBytes[dtype]);
    return { block: { dtype, sizes: lengths, strides: rowMajor(lengths) }, names, of };
  };
  const inputs = copies.inputs.map((copy) => copy && stage(copy, 'read'));
  const outputs = copies.outputs.map((copy) => copy && stage(copy, 'write'));
  const launches = launcher({
    ...site,
    rule: {
      ...site.rule,
      operands: site.rule.operands.map((names, i) => inputs[i]?.names ?? names),
      results: site.rule.results.map((names, i) => outputs[i]?.names ?? names),
    },
    inputs: site.inputs.map((block, i) => inputs[i]?.block ?? block),
    outputs: site.outputs.map((block, i) => outputs[i]?.block ?? block),
    accumulates: site.accumulates.map((adds, i) => adds && !outputs[i]),
  });
  if (!launches) return null;
  const made = inputs.flatMap((staged, i) =>
    staged ? [copyBetween(inputOf(site, i), withAccess(staged, 'write'), staged.names, sizes)] : [],
  );
  const onCopies = launches.map((launch): LaunchForm => ({
    ...launch,
    operands: launch.operands.map(({ of, ...operand }) => {
      // What the launches stage themselves lies behind the copies.
      if ('staged' in of) return { ...operand, of: { ...of, staged: top + of.staged } };
      const staged = 'input' in of ? inputs[of.input] : outputs[of.output];
      return { ...operand, of: staged?.of ?? of };
    }),
  }));
  const all = top + Math.max(0, ...launches.map(({ stagedBytes = 0 }) => stagedBytes));
  const delivered = outputs.flatMap((staged, i) => (staged ? [deliver(withAccess(staged, 'read'), i)] : []));
  return [...made, ...onCopies, ...delivered].map((launch) => ({ ...launch, stagedBytes: all }));
}

const withAccess = (staged: NamedBlock, access: 'read' | 'write'): NamedBlock => ({
  ...staged,
  of: { ...staged.of, access } as NamedBlock['of'],
});

/** Workspaces are aligned to 64 bytes, and so is each part. */
export const roundUp = (bytes: number): number => Math.ceil(bytes / 64) * 64;
