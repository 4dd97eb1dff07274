import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { loadTokenizer } from '../../src/data/tokenizer.js';
import { generate } from '../../src/train/generate.js';
import { onReference, Workplace } from './tiny_run.js';

const work = new Workplace(onReference);
afterAll(() => work.remove());
const fixture = (name: string) => fileURLToPath(new URL(`../tokenizers/fixtures/${name}.json`, import.meta.url));

/** Rows of the embedding of a run's last checkpoint. */
function rows(name: string, step: number): number {
  const manifest = JSON.parse(readFileSync(`${work.checkpoint(name, step)}/manifest.json`, 'utf8')) as {
    readonly tensors: Record<string, { readonly shape: readonly number[] }>;
  };
  return manifest.tensors['embedding.weight'].shape[0];
}

test('a model of no stated vocabulary has as many rows as its tokenizer has tokens, where the text is too small for more', async () => {
  await work.train('small', { steps: 1, data: { tokenizer: { vocab: 4000 } } });
  const { vocab } = loadTokenizer(work.file('runs', 'small', 'tokenizer.json'));
  expect(vocab).toBeLessThan(4000);
  expect(rows('small', 1)).toBe(vocab);
});

test.each(['llama2', 'gemma', 't5'])(
  '%s: a run with a tokenizer.json from elsewhere trains, resumes and writes',
  async (kind) => {
    await work.train(kind, { steps: 2, data: { tokenizer: { file: fixture(kind) } } });
    expect(rows(kind, 2)).toBe(loadTokenizer(fixture(kind)).vocab);
    await work.resume(kind, ['steps=3']);
    const pieces: string[] = [];
    const text = await generate(work.file('runs', kind), {
      prompt: 'the ship',
      tokens: 20,
      onText: (piece: string) => pieces.push(piece),
    });
    expect(text.length).toBeGreaterThan(0);
    expect(pieces.join('')).toBe(text);
  },
);
