/** Wrong places: meshes of stages, the ranks that they begin at, the coordinates of a class's members. */
import type { Mesh } from '../../../src/ir/mesh.js';
import type { Program, Stage } from '../../../src/program/program.js';
import { editClass } from '../edit.js';
import type { Mutation, Mutations } from '../mutant.js';
import type { Random } from '../random.js';

export const meshes: Mutations = {
  wrong_mesh: (program, random) => {
    const able = program.stages.flatMap(({ mesh }, stage) => (mesh.axes.length > 1 ? [stage] : []));
    if (able.length === 0) return null;
    const stage = random.pick(able);
    const { axes } = program.stages[stage].mesh;
    const [i, j] = twoOf(axes.length, random);
    const changed = random.pick([
      exchanged(axes, i, j),
      axes.map((axis, k) => ({ ...axis, name: axes[other(k, i, j)].name })),
      axes.map((axis, k) => ({ ...axis, size: axes[other(k, i, j)].size })),
    ]);
    if (JSON.stringify(changed) === JSON.stringify(axes)) return null;
    return {
      program: editStage(program, stage, (one) => ({ ...one, mesh: { ...one.mesh, axes: changed } as Mesh })),
      aims: [],
    };
  },
  /** Two stages begin where the other does, each behind the other's ranks. */
  wrong_first_rank: (program, random) => {
    if (program.stages.length < 2) return null;
    const [i, j] = twoOf(program.stages.length, random);
    const firstRanks = program.stages.map(({ firstRank }) => firstRank);
    if (random.chance(0.5)) {
      const one = editStage(program, i, (stage) => ({ ...stage, firstRank: firstRanks[j] }));
      return { program: editStage(one, j, (stage) => ({ ...stage, firstRank: firstRanks[i] })), aims: [] };
    }
    return {
      program: editStage(program, i, (stage) => ({ ...stage, firstRank: stage.firstRank + random.pick([1, 2]) })),
      aims: [],
    };
  },
  /** A member of one class stands in another of its stage, and one of that class here. */
  wrong_members: (program, random) => {
    const pairs = program.classes.flatMap((a, i) =>
      program.classes.flatMap((b, j) => (i < j && a.stage === b.stage ? [[i, j] as const] : [])),
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

const editStage = (program: Program, stage: number, edit: (one: Stage) => Stage): Program => ({
  ...program,
  stages: program.stages.map((one, i) => (i === stage ? edit(one) : one)),
});

function twoOf(count: number, random: Random): readonly [number, number] {
  const i = random.int(count);
  return [i, (i + 1 + random.int(count - 1)) % count];
}

const other = (k: number, i: number, j: number): number => (k === i ? j : k === j ? i : k);
const exchanged = <T>(list: readonly T[], i: number, j: number): readonly T[] =>
  list.map((_, k) => list[other(k, i, j)]);
