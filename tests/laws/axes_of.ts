/** The axes of a plan that have more than one rank, under the names by which people know them. */
import type { Plan } from '../../src/plan/plan.js';

/** What each axis splits a step in: 1 where the plan has it not. Of unlike groups, the most that one has. */
export function axesOf({ groups, split, zero }: Plan, hasExperts: boolean): Readonly<Record<string, number>> {
  const meshes = Object.values(groups).map(({ mesh }) => mesh);
  const most = (axes: readonly string[]) =>
    Math.max(...meshes.map((mesh) => axes.reduce((ranks, axis) => ranks * (mesh[axis] ?? 1), 1)));
  const isReplicated = meshes.some((mesh) => mesh['data.replica'] !== undefined);
  return {
    data: most(isReplicated ? ['data.replica', 'data.shard'] : ['data']),
    tensor: most(['tensor']),
    context: most(['context']),
    sequence: split.sequence?.includes('tensor') ? most(['tensor']) : 1,
    expert: hasExperts ? most(split.experts ?? []) : 1,
    pipeline: meshes.length,
    shards: zero.stage > 0 ? most(zero.axes) : 1,
    replicas: isReplicated ? most(['data.replica']) : 1,
  };
}
