/** Digests of a run are of what it really holds, the same under every plan, and those of a run that was resumed are those of one that was not. */
import { afterAll, expect, test } from 'vitest';
import { nodeDisk, openCheckpoint } from '../../src/checkpoint/index.js';
import { addContent } from '../../src/engine/content_hash.js';
import type { DType } from '../../src/ir/dtype.js';
import { elementsFrom } from '../../src/run/blocks.js';
import { readDigests } from '../../src/run/digests.js';
import { RunFolder } from '../../src/run/folder.js';
import type { TrainOptions } from '../../src/config/schema.js';
import { onNative, Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

const digestsOf = (name: string) => readDigests(RunFolder.open(work.file('runs', name)))!;

/** Hashes of a checkpoint's tensors, from its bytes. */
async function hashesOf(name: string, step: number, kind?: 'parameter'): Promise<Readonly<Record<string, string>>> {
  const checkpoint = await openCheckpoint(nodeDisk, work.checkpoint(name, step));
  try {
    const hashes: Record<string, string> = {};
    for (const tensor of checkpoint.names(kind)) {
      const block = elementsFrom(checkpoint.tensor(tensor).dtype as DType, await checkpoint.read(tensor));
      const sums = new Uint32Array(2);
      addContent(sums, block, { at: 0, start: 0, sizes: [block.length], strides: [1] });
      hashes[tensor] = [...sums].map((word) => word.toString(16).padStart(8, '0')).join('');
    }
    return hashes;
  } finally {
    await checkpoint.close();
  }
}

const plans: Readonly<Record<string, TrainOptions>> = {
  serial: {},
  'tensor 2': { ranks: 2, plan: { tensor_parallel_size: 2 } },
  'data 2, stage 3': { ranks: 2, plan: { data_parallel_size: 2, zero_stage: 3 } },
  'pipeline 2': {
    ranks: 2,
    model: { family: 'gpt', layers: 2, dim: 8, heads: 2, context: 8 },
    plan: { pipeline_parallel_size: 2 },
  },
  'two processes, stage 2': { ...onNative, ranks: 2, plan: { data_parallel_size: 2, zero_stage: 2 } },
};

test.each(Object.keys(plans))('what is digested of a step is what a checkpoint holds: %s', async (plan) => {
  const name = plan.replace(/\W+/g, '-');
  await work.train(name, { steps: 2, ...plans[plan] });
  const { steps } = digestsOf(name);
  expect(steps.map(({ step }) => step)).toEqual([1, 2]);
  expect(Object.fromEntries(steps[1].parameters)).toEqual(await hashesOf(name, 2, 'parameter'));
});

test('a run that goes on begins from what was saved, and has the digests of one that went through', async () => {
  const save = { checkpoint: { every_steps: 2 } };
  await work.train('through', { steps: 4, ...save });
  await work.train('stopped', { steps: 4, ...save });
  const before = digestsOf('stopped');
  await work.resume('stopped', [], { checkpoint: 2 });
  const after = digestsOf('stopped');
  expect(after.began.map(({ step }) => step)).toEqual([0, 2]);
  expect(Object.fromEntries(after.began[1].state)).toEqual(await hashesOf('stopped', 2));
  expect(after.steps).toEqual(before.steps);
  expect(after.steps).toEqual(digestsOf('through').steps);
});

test('none are written where none are asked for', async () => {
  await work.train('without', { steps: 1, logging: { ...work.options('without').logging, digest_every_steps: null } });
  expect(readDigests(RunFolder.open(work.file('runs', 'without')))).toBeNull();
});
