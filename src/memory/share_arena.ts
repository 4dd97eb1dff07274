/**
 * Programs that take turns in one arena: training, validation and sampling share the parameters' addresses.
 *
 * Persistent values lie first in an arena, parameters before all others, in the same order in every program of a model. What else a
 * program uses may overwrite what another leaves behind, except for values that are persistent there, such as optimizer state: the
 * guest's own values move up behind those.
 */
import { bytesOf } from '../ir/type.js';
import { alignUp, DEFAULT_ALIGNMENT } from './index.js';
import type { Program, RankClass, ValueIndex } from '../program/program.js';
import { baseOf } from '../program/place.js';

/**
 * `guest` with addresses that leave every persistent value of `host` alone. `persistentBytes`: by group, of the rank that keeps most for `host`;
 * all ranks of a group move by the same distance, whichever class of the host they run.
 */
export function shareArena<P extends Program>(
  guest: P,
  host: Program,
  persistentBytes: ReadonlyMap<number, number>,
): P {
  const classes = guest.classes.map((rankClass) => {
    const kept = new Set(sharedValues(rankClass, host));
    const distance = Math.max(0, persistentBytes.get(rankClass.group)! - endOf(rankClass, [...kept]));
    const move = (offsets: Readonly<Record<ValueIndex, number>>) =>
      Object.fromEntries(
        Object.entries(offsets).map(([value, offset]) => [value, kept.has(Number(value)) ? offset : offset + distance]),
      );
    return {
      ...rankClass,
      schedule: rankClass.schedule.map((step) => ({ ...step, offsets: move(step.offsets) })),
      arenaBytes: rankClass.arenaBytes + distance,
    };
  });
  return { ...guest, classes };
}

/** The bytes of an arena in which each of these programs fits, of the class that takes most. */
export const arenaBytesOf = (programs: readonly Program[]): number =>
  Math.max(...programs.flatMap(({ classes }) => classes.map(({ arenaBytes }) => arenaBytes)));

function sharedValues(rankClass: RankClass, host: Program): ValueIndex[] {
  const names = new Set(
    host.classes.flatMap(({ group, values, before }) =>
      group === rankClass.group ? before.values.map(({ at }) => values[at].name) : [],
    ),
  );
  const { values, before } = rankClass;
  const shared = before.values.flatMap(({ at }) => (names.has(values[at].name) ? [baseOf(values, at)] : []));
  return [...new Set(shared)];
}

/** The first aligned byte behind these values. */
function endOf({ values, schedule }: RankClass, indices: readonly ValueIndex[]): number {
  const ends = indices.flatMap((i) => {
    const offset = schedule.find(({ offsets }) => offsets[i] !== undefined)?.offsets[i];
    return offset === undefined ? [] : [offset + bytesOf(values[i].type)];
  });
  return alignUp(Math.max(0, ...ends), DEFAULT_ALIGNMENT);
}
