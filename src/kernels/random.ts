/** Random numbers, and dropout, which draws them: an element's number follows from its place in the whole tensor. */
import { rowMajor } from '../ir/strides.js';
import { isFloat } from '../ir/dtype.js';
import type { FactorName } from '../ir/type.js';
import { noScratch } from './device.js';
import { blocksOf, launchOperand } from './elementwise.js';
import { launchesByRuns } from './runs.js';
import { localSizes, mergeable, type KernelSite, type LaunchForm } from './site.js';
import { stagedLaunches, type Copy } from './staged.js';
import { commonFloat, isKernelFloat } from './types.js';

/** One kernel over all factors of the result, which is told where the local block lies in the whole; of one float type, else on copies. */
export function randomLaunches(site: KernelSite): readonly LaunchForm[] | null {
  // Of the operands, seed, step and microbatch are integers.
  const types = [...site.inputs.map(({ dtype }) => dtype).filter(isFloat), ...site.outputs.map(({ dtype }) => dtype)];
  if (types.every((dtype) => dtype === types[0] && isKernelFloat(dtype))) return byRuns(site);
  const own = commonFloat(types);
  const inputs = site.inputs.map(({ dtype }, i): Copy | null =>
    isFloat(dtype) ? { names: site.rule.operands[i], dtype: own } : null,
  );
  const outputs = site.rule.results.map((names): Copy => ({ names, dtype: own }));
  return stagedLaunches(site, { inputs, outputs }, byRuns);
}

/** A launch; of a sequence that is stored head-tail one for each run that the block has of it. */
function byRuns(site: KernelSite): readonly LaunchForm[] {
  const { ordered, head_tail } = site.attributes as { ordered?: FactorName; head_tail?: number };
  return launchesByRuns(site, ordered ?? null, head_tail ?? 0, randomLaunch);
}

function randomLaunch(site: KernelSite): LaunchForm {
  const sizes = localSizes(site);
  const order = globalOrder(site);
  const lengths = order.map((name) => site.rule.factors[name].size);
  const whole = {
    names: order,
    block: { dtype: 'i64', sizes: order.map((name) => sizes[name]), strides: rowMajor(lengths) },
  } as const;
  const blocks = blocksOf(site);
  const groups = mergeable(site.rule.results[0], [whole, ...blocks.filter(({ names }) => names.length > 0)], sizes);
  const { rate = null, stream } = site.attributes;
  return {
    kernel: site.op,
    operands: blocks.map((b) =>
      b.names.length > 0 ? launchOperand(b, groups, sizes) : { of: b.of, sizes: [], strides: [] },
    ),
    attributes: {
      stream: stream as number,
      ...(rate !== null && { rate: rate as number }),
      elements: lengths.reduce((n, size) => n * size, 1),
      start: order.reduce((sum, name, i) => sum + (site.origins[name] ?? 0) * whole.block.strides[i], 0),
      global_strides: launchOperand({ ...whole, of: { output: 0 } }, groups, sizes).strides,
    },
    scratchBytes: noScratch,
  };
}

/** The factors in the order in which the whole tensor's elements are counted, wherever they lie in memory. */
const globalOrder = ({ rule, attributes }: KernelSite): readonly FactorName[] =>
  (attributes.names as readonly FactorName[] | undefined) ?? rule.letters.t;
