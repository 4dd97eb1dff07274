/** Ranks that a plan leaves without a sequence: there are more of them than parts of the batch. */
import type { DiagnosticError } from '../ir/diagnostic.js';
import { tileOf } from '../ir/layout.js';
import { coordinatesOf, meshRanks } from '../ir/mesh.js';
import { tensorType } from '../ir/type.js';
import { ranksIdle } from '../plan/diagnostics.js';
import { logicalMicrobatchesOf, meshesOf, type Plan } from '../plan/plan.js';
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
  return ranksIdle({
    idle,
    ranks: counts.length,
    microbatches: logicalMicrobatchesOf(plan),
    sequences: plan.batch.sequences,
  });
}
