/** Steps of the native engine taken again: all ranks in one process, and what each instruction writes kept aside. */
import { afterAll, expect } from 'vitest';
import { compareWithSerial, serialComparisonText, type OpenEngines } from '../../src/compare/index.js';
import { openEngines } from '../../src/compare/replay/engines.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { placeRanks } from '../../src/engine/reference/virtual_rank.js';
import { onNative, Workplace } from '../training/tiny_run.js';
import { edited, unmoved } from './faults.js';

const work = new Workplace(onNative);
afterAll(() => work.remove());
const run = (name: string) => work.file('runs', name);
const options: TrainOptions = { steps: 2, ranks: 2, model: { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8 } };

testOfRanks(2)('a step of two ranks is the same step on one, and one without an all-reduce is named', async () => {
  await work.train('tensor', { ...options, plan: { tensor_parallel_size: 2 }, checkpoint: { every_steps: 1 } });
  const right = await compareWithSerial(run('tensor'), { step: 2 });
  expect(right.verdict, serialComparisonText(right)).toBe('rounding');
  expect(right.replay).toMatchObject({ from: 'its checkpoint of step 1', unlike: [] });
  expect(right.replay.values).toBeGreaterThan(400);

  const { edit } = edited(
    (instruction) => instruction.kind === 'collective' && instruction.source.path === 'blocks.1.mlp.down',
    unmoved,
  );
  const open: OpenEngines = async (path, config, program) => {
    const opened = await openEngines(path, config, program);
    if (placeRanks(program).length === 1) return opened;
    for (const engine of opened.engines) {
      const load = engine.load.bind(engine);
      engine.load = (given) => load(edit!(given));
    }
    return opened;
  };
  // Where the serial step is too large to be computed here, it is taken natively.
  const natively = { step: 2, serialFlops: 0 };
  const again = await compareWithSerial(run('tensor'), natively);
  expect(again.verdict, serialComparisonText(again)).toBe('rounding');
  expect(again.replay.values).toBe(right.replay.values);

  const wrong = await compareWithSerial(run('tensor'), { ...natively, open });
  expect(wrong.verdict).toBe('value');
  expect(wrong.replay.unlike).toEqual(['B']);
  expect(wrong.replay.off).toMatchObject({ run: 'B', op: 'pack of all_reduce, blocks.1.mlp.down (forward)' });
  expect(wrong.replay.off!.name).toMatch(/^blocks\.1\.mlp\.down\/einsum%\d+ \{\}$/);
});

testOfRanks(2)('in bf16, of a pipeline', async () => {
  await work.train('pipeline', { ...options, precision: 'bf16', plan: { pipeline_parallel_size: 2 } });
  const found = await compareWithSerial(run('pipeline'));
  expect(found.verdict, serialComparisonText(found)).toBe('rounding');
  expect(found.replay.values).toBeGreaterThan(300);
});

// What comes round a ring goes on before anything waits for it.
testOfRanks(3)('of a ring', async () => {
  const plan = { context_parallel_size: 3, context_parallel_method: 'ring' } as const;
  await work.train('ring', { ...options, ranks: 3, plan });
  const found = await compareWithSerial(run('ring'));
  expect(found.verdict, serialComparisonText(found)).toBe('rounding');
  expect(found.replay.unlike).toEqual([]);
});
