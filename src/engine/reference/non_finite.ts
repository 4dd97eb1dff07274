/** Where a step's first NaN or infinity comes from: what the host gave, or the first instruction whose result has one. */
import type { Launch } from '../../program/unroll.js';
import { operandsOf } from '../../program/unroll.js';
import type { NonFinite } from '../engine.js';
import { isFloat, nonFiniteIn } from '../non_finite.js';
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
      const at = 'source' in instruction ? instruction.source : null;
      const op = instruction.kind === 'kernel' ? `${instruction.op}, ` : '';
      this.found = { at: at ? `${op}${at.path || 'model'} (${at.phase})` : name, what };
      return;
    }
  };

  private kindOf(rank: VirtualRank, { step }: Launch, value: number): 'NaN' | 'Infinity' | null {
    const { dtype } = rank.rankClass.values[value].type;
    return isFloat(dtype) ? nonFiniteIn(rank.arena.read(rank.view(value, step))) : null;
  }
}
