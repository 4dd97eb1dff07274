import { describe, expect, test } from 'vitest';
import { mlp } from '../../../tests/scenarios/mlp.js';
import { buildScenario, differences } from '../../../tests/scenarios/scenario.js';
import type { Engine, LoadedProgram } from '../engine.js';
import { decode, encode } from '../host_array.js';
import { ReferenceEngine } from './engine.js';
import { instanceName, readableValues, type RankBlocks } from './execute.js';
import { gatherValues, scatterValues } from './shards.js';

const scenario = buildScenario({
  ...mlp({ batch: 5, dim: 3, hidden: 4, dtype: 'f32', update: 'sgd' }),
  mesh: { data: 2 },
  split: { batch: ['data'] },
  microbatches: 2,
});
const { program } = scenario;

test('a step through the interface: blocks in, one step, blocks out', async () => {
  const engine: Engine = new ReferenceEngine({ poison: 0xff });
  const loaded = await engine.load(program);
  expect(engine.ranks).toEqual([0, 1]);
  await writeAll(loaded, scatterValues(program, scenario.inputs));
  const report = await loaded.run();
  expect(report.launches).toBeGreaterThan(0);
  const blocks = await readAll(loaded, engine.ranks);
  expect(differences(scenario.serial(), gathered(blocks), 1e-5)).toEqual([]);
});

test('a second step goes on from the first', async () => {
  const engine = new ReferenceEngine();
  const loaded = await engine.load(program);
  await writeAll(loaded, scatterValues(program, scenario.inputs));
  await loaded.run();
  const first = gathered(await readAll(loaded, engine.ranks));
  // Data's memory was free for others once it had been read.
  await writeAll(loaded, scatterValues(program, scenario.inputs), ['data']);
  await loaded.run();
  const again = buildScenario({
    ...mlp({ batch: 5, dim: 3, hidden: 4, dtype: 'f32', update: 'sgd' }),
    microbatches: 2,
    element: ({ name }, index) => first[name]?.[index] ?? null,
  });
  expect(differences(again.serial(), gathered(await readAll(loaded, engine.ranks)), 1e-5)).toEqual([]);
});

test('the highest byte that a step writes is the last of the arena that was predicted', async () => {
  const changed = await Promise.all(
    [0x00, 0xff].map(async (poison) => {
      const engine = new ReferenceEngine({ poison });
      const loaded = await engine.load(program);
      await writeAll(loaded, scatterValues(program, scenario.inputs));
      await loaded.run();
      return engine.ranks.map((rank) => engine.arena(rank).findLastIndex((byte) => byte !== poison) + 1);
    }),
  );
  const predicted = program.classes.flatMap(({ members, arenaBytes }) =>
    members.map(({ data }) => ({ data, arenaBytes })),
  );
  for (const { data, arenaBytes } of predicted) {
    expect(Math.max(...changed.map((highest) => highest[data]))).toBe(arenaBytes);
  }
});

describe('what is refused', () => {
  const block = encode('f32', new Float64Array(12));
  const cases: readonly (readonly [string, string, (loaded: LoadedProgram) => Promise<unknown>])[] = [
    ['a rank that runs elsewhere', 'engine/rank-elsewhere', (p) => p.read({ rank: 7, name: 'lr' })],
    ['a value that does not exist', 'engine/unknown-value', (p) => p.read({ rank: 0, name: 'layers.0.up.wieght' })],
    ['data without a microbatch', 'engine/no-instance', (p) => p.read({ rank: 0, name: 'x' })],
    ['a microbatch that is not scheduled', 'engine/no-instance', (p) => p.read({ rank: 0, name: 'x', microbatch: 2 })],
    ['a parameter of a microbatch', 'engine/no-instance', (p) => p.read({ rank: 0, name: 'lr', microbatch: 0 })],
    [
      'half a block',
      'engine/wrong-elements',
      (p) => p.write({ rank: 0, name: 'layers.0.up.weight' }, block.subarray(6)),
    ],
    [
      'another element type',
      'engine/wrong-elements',
      (p) => p.write({ rank: 0, name: 'layers.0.up.weight' }, new Float64Array(12)),
    ],
  ];
  test.each(cases)('%s', async (_name, code, act) => {
    const loaded = await new ReferenceEngine().load(program);
    await expect(act(loaded)).rejects.toMatchObject({ code });
  });

  test('anything after close', async () => {
    const engine = new ReferenceEngine();
    const loaded = await engine.load(program);
    await engine.close();
    await expect(loaded.run()).rejects.toMatchObject({ code: 'engine/closed' });
    await expect(engine.load(program)).rejects.toMatchObject({ code: 'engine/closed' });
  });

  test('a program that has the same parameter at another address', async () => {
    const engine = new ReferenceEngine();
    await engine.load(program);
    const moved = {
      ...program,
      classes: program.classes.map((rankClass) => ({
        ...rankClass,
        arenaBytes: rankClass.arenaBytes + 64,
        schedule: rankClass.schedule.map((step) => ({
          ...step,
          offsets: Object.fromEntries(Object.entries(step.offsets).map(([value, offset]) => [value, offset + 64])),
        })),
      })),
    };
    await expect(engine.load(moved)).rejects.toMatchObject({ code: 'engine/arena-mismatch' });
  });
});

const gathered = (blocks: readonly RankBlocks[]) => gatherValues(program, blocks);

async function writeAll(
  loaded: LoadedProgram,
  blocks: readonly RankBlocks[],
  lifetimes: readonly string[] = ['persistent', 'data'],
): Promise<void> {
  for (const { place, name, dtype, lifetime } of hostPlaces(loaded)) {
    const values = blocks[place.rank].get(name);
    if (values && lifetimes.includes(lifetime)) await loaded.write(place, encode(dtype, values));
  }
}

async function readAll(loaded: LoadedProgram, ranks: readonly number[]): Promise<readonly RankBlocks[]> {
  const names = [...readableValues(loaded.program.classes[0]).keys()];
  return Promise.all(
    ranks.map(async (rank) => {
      const blocks = await Promise.all(
        names.map(async (name) => [name, decode('f32', await loaded.read({ rank, name }))] as const),
      );
      return new Map(blocks);
    }),
  );
}

function hostPlaces({ program: { classes, groups, microbatches } }: LoadedProgram) {
  return classes.flatMap(({ members, group, values }) =>
    members.flatMap(({ data }) =>
      values
        .filter(({ lifetime, view }) => !view && (lifetime === 'persistent' || lifetime === 'data'))
        .flatMap(({ name, type, lifetime }) =>
          Array.from({ length: lifetime === 'data' ? microbatches : 1 }, (_, m) => {
            const microbatch = lifetime === 'data' ? m : undefined;
            const place = { rank: groups[group].firstRank + data, name, microbatch };
            return { place, name: instanceName(name, microbatch ?? null), dtype: type.dtype, lifetime };
          }),
        ),
    ),
  );
}
