/** When the buffers of a class's step are there, in launch order, and where. */
import { bytesOf } from '../ir/type.js';
import { operandsOf } from '../program/kinds.js';
import { baseOf } from '../program/place.js';
import type { RankClass, ValueIndex } from '../program/program.js';
import { instanceKey, isPerMicrobatch, launchCount, unroll } from '../program/unroll.js';

/** The stay of a value in its buffer. Launches are counted from 0. */
export interface Stay {
  /** The buffer: a value that is no view. */
  readonly base: ValueIndex;
  readonly name: string;
  readonly from: number;
  readonly bytes: number;
  readonly begins: number;
  readonly ends: number;
}

/** Every instance of every buffer that the step touches. */
export function staysOf(rankClass: RankClass): Iterable<Stay> {
  const { values, results } = rankClass;
  const last = launchCount(rankClass) - 1;
  const kept = new Set(Object.values(results).map((value) => baseOf(values, value)));
  const stays = new Map<string, Stay>();
  for (const { instruction, step, index } of unroll(rankClass)) {
    for (const { value } of operandsOf(instruction)) {
      const base = baseOf(values, value);
      const { name, type, lifetime } = values[base];
      const key = instanceKey(values, base, step.microbatch);
      const known = stays.get(key);
      const before = lifetime === 'persistent' || lifetime === 'data';
      const after = lifetime === 'persistent' || kept.has(base);
      stays.set(key, {
        base,
        name: isPerMicrobatch(values, base) ? `${name} of microbatch ${step.microbatch}` : name,
        from: step.offsets[base],
        bytes: bytesOf(type),
        begins: known?.begins ?? (before ? 0 : index),
        ends: after ? last : index,
      });
    }
  }
  return stays.values();
}
