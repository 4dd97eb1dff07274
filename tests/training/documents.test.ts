import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { onReference, Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

/** Two files of nine documents; a token a letter and one between documents: four tokens each. */
mkdirSync(work.file('short'));
for (const file of [0, 1]) {
  const lines = Array.from({ length: 9 }, (_, i) => {
    const letters = [i + 9 * file, (i * i) % 17, (7 * i + file) % 23].map((n) => String.fromCharCode(97 + n));
    return JSON.stringify({ text: letters.join('') });
  });
  writeFileSync(work.file('short', `${file}.jsonl`), lines.join('\n'));
}

/** The loss of the first step, of a batch that is the whole text, and the validation loss before the second. */
async function lossesOf(name: string, context: number, documents: 'packed' | 'separate', ranks = 1) {
  const { events } = await work.train(name, {
    ...onReference,
    model: { family: 'gpt', layers: 1, dim: 8, heads: 2, context },
    data: { paths: [work.file('short')], tokenizer: { vocab: 257 }, validation_fraction: 0.5, documents },
    batch: { sequences: 32 / context, microbatch: 2 },
    steps: 1,
    ...(ranks > 1 && { ranks, plan: { context_parallel_size: ranks } }),
  });
  const loss = (kind: string) =>
    events.flatMap((event) => (event.kind === kind && 'loss' in event ? [event.loss] : []));
  return [...loss('step'), ...loss('validation')] as readonly number[];
}

test('sequences of two separate documents train on what sequences of one do; packed they do not', async () => {
  const alone = await lossesOf('alone', 4, 'packed');
  const separate = await lossesOf('separate', 8, 'separate');
  const packed = await lossesOf('packed', 8, 'packed');
  const shared = await lossesOf('shared', 8, 'separate', 2);
  expect(alone.length).toBeGreaterThan(1);
  separate.forEach((loss, i) => expect(loss).toBeCloseTo(alone[i], 5));
  shared.forEach((loss, i) => expect(loss).toBeCloseTo(alone[i], 5));
  expect(Math.abs(packed[0] - alone[0])).toBeGreaterThan(1e-5);
});

test('a run does not go on under the other, unless that is accepted', async () => {
  await lossesOf('other', 8, 'separate');
  const overrides = ['data.documents=packed', 'steps=2'];
  await expect(work.resume('other', overrides)).rejects.toThrow('run/model-differs');
  const { events } = await work.resume('other', overrides, { accept_model_change: true });
  expect(events.filter(({ kind }) => kind === 'step')).toHaveLength(1);
});

test('a run says where sequences lie in their own order though they were to be stored head-tail', async () => {
  const { events } = await work.train('in order', {
    ...onReference,
    model: { family: 'llama', layers: 1, dim: 8, heads: 2, context: 8, window: 3 },
    steps: 1,
    ranks: 2,
    plan: { context_parallel_size: 2, context_parallel_load_balancer: 'headtail' },
  });
  expect(events.flatMap((event) => (event.kind === 'warning' ? [event.code] : []))).toContain(
    'plan/sequences-in-order',
  );
});
