/** Where a step's first NaN or infinity comes from: what the host gave, or the first instruction whose result has one. */
import { isFloat } from '../../ir/dtype.js';
import type { Launch } from '../../program/unroll.js';
import { operandsOf } from '../../program/kinds.js';
import type { NonFinite } from '../engine.js';
import { dataflowOrder, nonFiniteIn, placeOf } from '../non_finite.js';
import type { Observer } from './machine.js';
import type { VirtualRank } from './virtual_rank.js';

/** Watches a machine; `found` is the first value that is not finite. */
export class NonFiniteWatch {
  found: NonFinite | null = null;
  private readonly seen = new Set<string>();

  readonly observe: Observer = (rank, launch) => {
    if (this.found) return;
    const { instruction } = launch;
    for (const { value, access } of operandsOf(instruction)) {
      const { name } = rank.rankClass.values[value];
      const key = `${rank.rank} ${name} ${launch.step.microbatch}`;
      // A value that was read and found finite is not looked at again.
      if (access === 'read' && this.seen.has(key)) continue;
      this.seen.add(key);
      const kind = this.kindOf(rank, launch, value);
      if (!kind) continue;
      const what = access === 'read' ? `${kind} in '${name}', which was given to the step` : `${kind} in '${name}'`;
      const { phase } = instruction.source;
      const { microbatch } = launch.step;
      const place = { phase, microbatch, chunk: launch.template.chunk, position: launch.index, rank: rank.rank };
      this.found = {
        rank: rank.rank,
        at: placeOf(instruction),
        what,
        given: access === 'read',
        order: dataflowOrder({ ...place, received: false }),
      };
      return;
    }
  };

  private kindOf(rank: VirtualRank, { step }: Launch, value: number): 'NaN' | 'Infinity' | null {
    const { dtype } = rank.rankClass.values[value].type;
    if (!isFloat(dtype)) return null;
    const elements = rank.arena.read(rank.view(value, step));
    const index = nonFiniteIn('f64', elements);
    return index < 0 ? null : Number.isNaN(elements[index]) ? 'NaN' : 'Infinity';
  }
}
