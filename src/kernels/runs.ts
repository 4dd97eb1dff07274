/** Launches of elementwise kernels that are told a position, on a sequence that is stored in runs. */
import { headTailRuns, runsWithin } from '../ir/head_tail.js';
import type { FactorName } from '../ir/type.js';
import { blocksOf } from './elementwise.js';
import { localSizes, type Block, type KernelSite, type LaunchForm } from './site.js';

/** `launch`'s own; where `ordered` is stored head-tail for so many ranks, one for each run that the block has of it. */
export function launchesByRuns(
  site: KernelSite,
  ordered: FactorName | null,
  ranks: number,
  launch: (site: KernelSite) => LaunchForm,
): readonly LaunchForm[] {
  if (ordered === null || ranks === 0) return [launch(site)];
  const blocks = blocksOf(site);
  const runs = headTailRuns(site.rule.factors[ordered].size, ranks);
  return runsWithin(runs, site.origins[ordered] ?? 0, localSizes(site)[ordered]).map(
    ({ stored, position, length }): LaunchForm => {
      const part = (block: Block, i: number): Block => ({
        ...block,
        sizes: block.sizes.map((size, k) => (blocks[i].names[k] === ordered ? length : size)),
      });
      const made = launch({
        ...site,
        inputs: site.inputs.map(part),
        outputs: site.outputs.map((block, i) => part(block, site.inputs.length + i)),
        origins: { ...site.origins, [ordered]: position },
      });
      const offsetOf = (i: number) => stored * (blocks[i].block.strides[blocks[i].names.indexOf(ordered)] ?? 0);
      return { ...made, operands: made.operands.map((operand, i) => ({ ...operand, offset: offsetOf(i) })) };
    },
  );
}
