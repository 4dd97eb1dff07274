/**
 * The general kernels of native/kernels/einsum.cpp and indexed.cpp: any strides, any order of factors, any mix of types. They are slow,
 * and asked last, so that no operands of an op are without a kernel.
 */
import type { FactorName } from '../ir/type.js';
import { noScratch, scratchOnCpu } from './device.js';
import {
  inputOf,
  localSizes,
  outputOf,
  type KernelSite,
  type LaunchForm,
  type LaunchOperand,
  type NamedBlock,
} from './site.js';
import { workspace } from './workspaces.js';

/** `y[o] (+)= factor · Σ Π x[o s]`, or the maximum of one operand: `o` the factors of the result, `s` those that it lacks. */
export function contractionLaunch(
  kernel: 'einsum' | 'max_over',
  inputs: readonly NamedBlock[],
  output: NamedBlock,
  attributes: LaunchForm['attributes'] = {},
): LaunchForm {
  const summed = [...new Set(inputs.flatMap(({ names }) => names))].filter((name) => !output.names.includes(name));
  const sizes = sizesOf([...inputs, output]);
  return {
    kernel,
    operands: [
      ...inputs.map((input) => strided(input, [...output.names, ...summed], sizes)),
      strided(output, output.names, sizes),
    ],
    attributes,
    scratchBytes: noScratch,
  };
}

/** A site's contraction or maximum. */
export const contractionOf = (
  site: KernelSite,
  kernel: 'einsum' | 'max_over',
  attributes: LaunchForm['attributes'] = {},
): LaunchForm =>
  contractionLaunch(
    kernel,
    site.inputs.map((_, i) => inputOf(site, i)),
    outputOf(site, 0),
    { ...attributes, accumulate: site.accumulates[0] ? 1 : 0 },
  );

/** `y[o] = Σ_l table[ids[o l], o l]`. */
export function gatherAnyLaunch(site: KernelSite): LaunchForm {
  const by = [site.attributes.by as FactorName | readonly FactorName[]].flat();
  const [own] = site.rule.results;
  const loop = [...own, ...free(site).filter((name) => !own.includes(name))];
  const sizes = localSizes(site);
  return {
    kernel: 'gather_any',
    operands: [
      strided(inputOf(site, 0), [...by, ...loop], sizes),
      ...site.inputs.slice(1).map((_, i) => strided(inputOf(site, i + 1), loop, sizes)),
      strided(outputOf(site, 0), own, sizes),
    ],
    attributes: { origin: originOf(site) },
    scratchBytes: noScratch,
  };
}

/** `table[ids[c l], c] (+)= x[c l]`. */
export function scatterAnyLaunch(site: KernelSite): LaunchForm {
  const by = [site.attributes.by as FactorName | readonly FactorName[]].flat();
  const own = site.rule.results[0].filter((name) => !by.includes(name));
  const loop = [...own, ...free(site).filter((name) => !own.includes(name))];
  const sizes = localSizes(site);
  const table = strided(outputOf(site, 0), [...by, ...own], sizes);
  return {
    kernel: 'scatter_any',
    operands: [
      strided(inputOf(site, 0), loop, sizes),
      ...site.inputs.slice(1).map((_, i) => strided(inputOf(site, i + 1), loop, sizes)),
      table,
    ],
    attributes: { origin: originOf(site), accumulate: site.accumulates[0] ? 1 : 0 },
    scratchBytes: scratchOnCpu(workspace('scatter_any', { elements: table.sizes.reduce((n, size) => n * size, 1) })),
  };
}

/** Factors that no id addresses, those of the rows first. */
function free(site: KernelSite): readonly FactorName[] {
  const by = [site.attributes.by as FactorName | readonly FactorName[]].flat();
  return [...new Set([...site.rule.operands.flat(), ...site.rule.results.flat()])].filter((name) => !by.includes(name));
}

const originOf = (site: KernelSite): readonly number[] =>
  [site.attributes.by as FactorName | readonly FactorName[]].flat().map((name) => site.origins[name] ?? 0);

/** A block with these dimensions, one a factor; stride 0 where it lacks one. */
function strided(
  { block, names, of }: NamedBlock,
  dimensions: readonly FactorName[],
  sizes: Readonly<Record<FactorName, number>>,
): LaunchOperand {
  const at = dimensions.map((name) => names.indexOf(name));
  return {
    of,
    sizes: dimensions.map((name) => sizes[name]),
    strides: at.map((i) => (i < 0 ? 0 : block.strides[i])),
  };
}

const sizesOf = (blocks: readonly NamedBlock[]): Readonly<Record<FactorName, number>> =>
  Object.fromEntries(blocks.flatMap(({ block, names }) => names.map((name, i) => [name, block.sizes[i]])));
