/** Global ranks of a class. */
import { rankAt } from '../ir/mesh.js';
import type { Program, RankClass } from './program.js';

/** In the order of the class's members. */
export function ranksOf(
  groups: Program['groups'],
  { group, members }: Pick<RankClass, 'group' | 'members'>,
): readonly number[] {
  const { mesh, firstRank } = groups[group];
  return members.map((at) => firstRank + rankAt(mesh, at));
}
