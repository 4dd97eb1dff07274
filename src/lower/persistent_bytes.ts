/** What a group's ranks keep between steps, in bytes from the beginning of their arenas: known before any class is lowered. */
import { persistentEnd } from '../memory/assign_memory.js';
import type { RankClass } from '../program/program.js';
import type { ClassRequest } from './class_request.js';
import { ValueMap } from './value_map.js';

/** By group of `classes`: the most that a rank of it keeps, also one of a class that is not among them. */
export function persistentBytes(
  requests: readonly ClassRequest[],
  classes: readonly RankClass[],
): ReadonlyMap<number, number> {
  const most = new Map<number, number>();
  for (const group of new Set(classes.map((one) => one.group))) {
    const ends = requests
      .filter((request) => request.group === group)
      .map((request) => classes.find(({ name }) => name === request.name)?.values ?? new ValueMap(request).values.table)
      .map(persistentEnd);
    most.set(group, Math.max(...ends));
  }
  return most;
}
