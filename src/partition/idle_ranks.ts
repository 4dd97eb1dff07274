/** Ranks that a plan leaves without a sequence: there are more of them than parts of the batch. */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { tileOf } from '../ir/layout.js';
import { axisSize, coordinatesOf, meshRanks } from '../ir/mesh.js';
import { tensorType } from '../ir/type.js';
import { counted } from '../ir/units.js';
import { ranksIdle, type IdleCause } from '../plan/diagnostics.js';
import { logicalMicrobatchesOf, meshesOf, type Plan } from '../plan/plan.js';
import { axesOn } from '../plan/splits.js';
import { storageLayout } from './storage.js';

/** Sequences that each rank reads in a step, by global rank. Those of a group that share a sequence each count it. */
export function sequencesByRank(plan: Plan): readonly number[] {
  const { schedule, batch } = plan;
  const type = tensorType('i32', { microbatch: batch.logical_microbatches, batch: batch.sequences });
  const real = logicalMicrobatchesOf(plan);
  return meshesOf(plan).flatMap((mesh) => {
    const layout = storageLayout(plan, mesh, type);
    return Array.from({ length: meshRanks(mesh) }, (_, rank) => {
      const [[first, end], [from, to]] = tileOf(mesh, type, layout, coordinatesOf(mesh, rank));
      let logical = 0;
      for (let m = 0; m < schedule.microbatches; m++) {
        const left = real - m * batch.logical_microbatches;
        logical += Math.max(0, Math.min(end, left) - first);
      }
      return logical * (to - from);
    });
  });
}

/** The warning that names the ranks which compute on padding alone; null where every rank has a sequence. */
export function idleRanksWarning(plan: Plan): DiagnosticError | null {
  const counts = sequencesByRank(plan);
  const idle = counts.flatMap((sequences, rank) => (sequences === 0 ? [rank] : []));
  if (idle.length === 0) return null;
  return ranksIdle({ idle, ranks: counts.length, cause: causeOf(plan) });
}

/** The first number that is too small: of a step, of a scheduled microbatch, of a logical one; or boundaries that leave a part empty. */
function causeOf(plan: Plan): IdleCause {
  const { schedule, batch, bounds } = plan;
  const real = logicalMicrobatchesOf(plan);
  const [ranks, sharers] = [partsOf(plan, 'microbatch'), partsOf(plan, 'batch')];
  if (real < ranks) {
    return {
      why: `a step has ${counted(real, 'microbatch', 'es')} of ${counted(batch.sequences, 'sequence')}, fewer parts than its ${ranks} data-parallel ranks`,
      where: [{ at: 'config, batch.sequences' }, { at: 'config, plan.data_parallel_size' }],
      fix: `give more sequences a step${batch.sequences > 1 ? ', or smaller microbatches' : ''}, or fewer data-parallel ranks`,
    };
  }
  if (batch.logical_microbatches < ranks) {
    const scheduled = Math.ceil(real / ranks);
    const padding = scheduled * ranks - real;
    return {
      why: `a scheduled microbatch has batch.logical_microbatches ${batch.logical_microbatches}, fewer than the ${ranks} ranks that share it`,
      where: [{ at: 'plan, batch.logical_microbatches' }, { at: 'plan, split.microbatch' }],
      fix: `set batch.logical_microbatches to ${ranks}, schedule.microbatches to ${scheduled}${padding === batch.padding ? '' : ` and batch.padding to ${padding}`}: the step has the same sequences`,
    };
  }
  if (batch.sequences < sharers) {
    return {
      why: `a logical microbatch has ${counted(batch.sequences, 'sequence')}, fewer than the ${sharers} ranks that share it`,
      where: [{ at: 'config, batch.microbatch' }, { at: 'config, plan.data_parallel_size' }],
      fix: `set batch.microbatch to ${sharers} or more, or share it among ${counted(batch.sequences, 'rank')} or fewer`,
    };
  }
  const uneven = (['microbatch', 'batch'] as const).find((factor) =>
    bounds[factor]?.some((b, i, all) => b === all[i - 1]),
  );
  if (uneven !== undefined) {
    return {
      why: `the boundaries [${bounds[uneven].join(', ')}] of '${uneven}' leave a rank no part`,
      where: [{ at: `plan, bounds.${uneven}` }],
      fix: `remove bounds.${uneven}, or let each be larger than the one before`,
    };
  }
  return {
    why: `of the last ${counted(batch.logical_microbatches, 'logical microbatch', 'es')} of ${counted(schedule.microbatches, 'scheduled one')} ${batch.padding} are padding`,
    where: [{ at: 'plan, batch.padding' }],
    fix: 'give more sequences a step, and less padding',
  };
}

/** Parts in which a factor is cut, on the group that cuts it in most. */
const partsOf = (plan: Plan, factor: 'microbatch' | 'batch'): number =>
  Math.max(
    ...meshesOf(plan).map((mesh) =>
      axesOn(mesh, plan.split[factor] ?? []).reduce((parts, axis) => parts * axisSize(mesh, axis), 1),
    ),
  );
