/**
 * A program as its host sees it: before a step it writes what the program says that it takes, after it it reads what the program says that
 * it gives, by the names, tables, meshes and contracts that stand in the program.
 */
import type { Execution, RankBlocks } from '../../../src/engine/reference/execute.js';
import { gatherValue, scatterValues, type GlobalValues } from '../../../src/engine/reference/shards.js';
import { placeRanks } from '../../../src/engine/reference/virtual_rank.js';
import { elementsOf } from '../../../src/ir/type.js';
import type { Program, ValueIndex } from '../../../src/program/program.js';
import { baseOf } from '../../../src/program/place.js';

/** Blocks of each rank: data, the state that `before` names and the scalars that `inputs` names; nothing else is written. */
export function hostBlocks(program: Program, given: GlobalValues): readonly RankBlocks[] {
  const unwritten = program.classes.map(({ values, before, inputs }) => {
    const taken = new Set([...before.values.map(({ at }) => baseOf(values, at)), ...inputs]);
    return values.filter(({ lifetime, view }, i) => lifetime === 'persistent' && !view && !taken.has(i));
  });
  const nobodyGives = unwritten.flat().map(({ name, global }) => [name, new Float64Array(elementsOf(global))] as const);
  const blocks = scatterValues(program, { ...Object.fromEntries(nobodyGives), ...given });
  return placeRanks(program).map(({ classIndex }, i) => {
    const names = new Set(unwritten[classIndex].map(({ name }) => name));
    return new Map([...blocks[i]].filter(([name]) => !names.has(name)));
  });
}

/** What a rank holds after a step under names that the host knows: state and results. */
export function heldBlocks(program: Program, { values: held }: Execution): readonly RankBlocks[] {
  const known = program.classes.map(
    ({ values, before, results }) =>
      new Set([...Object.keys(results), ...before.values.map(({ at }) => values[baseOf(values, at)].name)]),
  );
  return placeRanks(program).map(
    ({ classIndex }, i) => new Map([...held[i]].filter(([name]) => known[classIndex].has(name))),
  );
}

/** The same as whole values, put together as the program's tables say. Throws where replicas differ. */
export function hostResults(program: Program, { values: held }: Execution): GlobalValues {
  const names = program.classes.flatMap(({ values, before, results }) => [
    ...Object.keys(results),
    ...before.values.flatMap(({ at }) => {
      const { name, tensors } = values[baseOf(values, at)];
      return tensors ? tensors.map((tensor) => tensor.name) : [name];
    }),
  ]);
  return Object.fromEntries([...new Set(names)].map((name) => [name, gatherValue(program, held, name)]));
}

/** A value of which `after` says that it lies somewhere where another one does, as text; null where all lie where they should. */
export function brokenContract({ ranks }: Execution): string | null {
  for (const rank of ranks) {
    const { values, after } = rank.rankClass;
    const read = (index: ValueIndex) => {
      const view = rank.instance(index, null);
      return view && rank.arena.contains(view) ? rank.arena.read(view) : null;
    };
    for (const { at, holds } of after.values) {
      if (at === holds) continue;
      const [there, stated] = [read(at), read(holds)];
      // What no instruction touches has no address, and nobody has moved it.
      if (there && !(stated && sameNumbers(there, stated)))
        return `'${values[at].name}' holds no '${values[holds].name}'`;
    }
  }
  return null;
}

const sameNumbers = (a: Float64Array, b: Float64Array): boolean =>
  a.length === b.length && a.every((x, i) => Object.is(x, b[i]));
