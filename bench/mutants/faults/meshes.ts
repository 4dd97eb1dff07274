/** Wrong places: meshes of groups, the ranks that they begin at, the coordinates of a class's members. */
import type { Mesh } from '../../../src/ir/mesh.js';
import type { Program, Group } from '../../../src/program/program.js';
import { editClass } from '../edit.js';
import type { Mutation, Mutations } from '../mutant.js';
import type { Random } from '../random.js';

export const meshes: Mutations = {
  wrong_mesh: (program, random) => {
    const able = program.groups.flatMap(({ mesh }, group) => (mesh.axes.length > 1 ? [group] : []));
    if (able.length === 0) return null;
    const group = random.pick(able);
    const { axes } = program.groups[group].mesh;
    const [i, j] = twoOf(axes.length, random);
    const changed = random.pick([
      exchanged(axes, i, j),
      axes.map((axis, k) => ({ ...axis, name: axes[other(k, i, j)].name })),
      axes.map((axis, k) => ({ ...axis, size: axes[other(k, i, j)].size })),
    ]);
    if (JSON.stringify(changed) === JSON.stringify(axes)) return null;
    return {
      program: editGroup(program, group, (one) => ({ ...one, mesh: { ...one.mesh, axes: changed } as Mesh })),
      aims: [],
    };
  },
  /** Two groups begin where the other does, each behind the other's ranks. */
  wrong_first_rank: (program, random) => {
    if (program.groups.length < 2) return null;
    const [i, j] = twoOf(program.groups.length, random);
    const firstRanks = program.groups.map(({ firstRank }) => firstRank);
    if (random.chance(0.5)) {
      const one = editGroup(program, i, (group) => ({ ...group, firstRank: firstRanks[j] }));
      return { program: editGroup(one, j, (group) => ({ ...group, firstRank: firstRanks[i] })), aims: [] };
    }
    return {
      program: editGroup(program, i, (group) => ({ ...group, firstRank: group.firstRank + random.pick([1, 2]) })),
      aims: [],
    };
  },
  /** A member of one class stands in another of its group, and one of that class here. */
  wrong_members: (program, random) => {
    const pairs = program.classes.flatMap((a, i) =>
      program.classes.flatMap((b, j) => (i < j && a.group === b.group ? [[i, j] as const] : [])),
    );
    if (pairs.length === 0) return null;
    const [i, j] = random.pick(pairs);
    const [a, b] = [program.classes[i].members, program.classes[j].members];
    const [p, q] = [random.int(a.length), random.int(b.length)];
    const one = editClass(program, i, (c) => ({ ...c, members: a.map((at, k) => (k === p ? b[q] : at)) }));
    return {
      program: editClass(one, j, (c) => ({ ...c, members: b.map((at, k) => (k === q ? a[p] : at)) })),
      aims: [],
    };
  },
} satisfies Readonly<Record<string, Mutation>>;

const editGroup = (program: Program, group: number, edit: (one: Group) => Group): Program => ({
  ...program,
  groups: program.groups.map((one, i) => (i === group ? edit(one) : one)),
});

function twoOf(count: number, random: Random): readonly [number, number] {
  const i = random.int(count);
  return [i, (i + 1 + random.int(count - 1)) % count];
}

const other = (k: number, i: number, j: number): number => (k === i ? j : k === j ? i : k);
const exchanged = <T>(list: readonly T[], i: number, j: number): readonly T[] =>
  list.map((_, k) => list[other(k, i, j)]);
