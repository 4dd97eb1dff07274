/** Where a step's first NaN or infinity comes from: what the host gave, or the first instruction whose result has one. */
import { isFloat } from '../../ir/dtype.js';
import type { Launch } from '../../program/unroll.js';
import { describedKind, operandsOf } from '../../program/kinds.js';
import type { NonFinite } from '../engine.js';
import { nameOfElements } from '../element_names.js';
import { dataflowOrder, earliest, nonFiniteIn, nonFiniteWithin, placeOf } from '../non_finite.js';
import type { Observer } from './machine.js';
import type { VirtualRank } from './virtual_rank.js';

/** Watches a machine: each rank up to the first value that is not finite there. */
export class NonFiniteWatch {
  private readonly byRank = new Map<number, NonFinite>();
  private readonly seen = new Set<string>();

  /** What came first of all. */
  get found(): NonFinite | null {
    return earliest([...this.byRank.values()]);
  }

  readonly observe: Observer = (rank, launch) => {
    if (this.byRank.has(rank.rank)) return;
    const { instruction } = launch;
    for (const { value, access } of operandsOf(instruction)) {
      const { name } = rank.rankClass.values[value];
      const key = `${rank.rank} ${name} ${launch.step.microbatch}`;
      // A value that was read and found finite is not looked at again.
      if (access === 'read' && this.seen.has(key)) continue;
      this.seen.add(key);
      const there = this.foundIn(rank, launch, value);
      if (!there) continue;
      const given = access === 'read';
      const { phase } = instruction.source;
      const { microbatch } = launch.step;
      const place = { phase, microbatch, chunk: launch.template.chunk, position: launch.index, rank: rank.rank };
      this.byRank.set(rank.rank, {
        rank: rank.rank,
        at: placeOf(instruction),
        what: given ? `${there}, which was given to the step` : there,
        given,
        order: dataflowOrder({ ...place, received: !given && describedKind(instruction).meets }),
      });
      return;
    }
  };

  /** `NaN in 'x'`; null where all of it is finite. */
  private foundIn(rank: VirtualRank, { step }: Launch, value: number): string | null {
    const { dtype } = rank.rankClass.values[value].type;
    if (!isFloat(dtype)) return null;
    const elements = rank.arena.read(rank.view(value, step));
    const index = nonFiniteIn('f64', elements);
    if (index < 0) return null;
    const kind = Number.isNaN(elements[index]) ? 'NaN' : 'Infinity';
    return `${kind} in ${nameOfElements(rank, value, nonFiniteWithin('f64', elements))}`;
  }
}
