import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RunFolder } from './folder.js';
import { readLossCurve } from './loss_curve.js';

let folder: RunFolder;
beforeEach(() => {
  folder = new RunFolder(mkdtempSync(join(tmpdir(), 'flotilla-curve-')));
  vi.spyOn(folder, 'readRecord').mockReturnValue({ tokenizer: { sha256: 'abc' }, steps: 9 } as never);
});
afterEach(() => rmSync(folder.path, { recursive: true }));

const write = (name: string, text: string) => writeFileSync(folder.file(name), text);
const row = (kind: string, step: number, loss: number | null, more = {}) =>
  `${JSON.stringify({ kind, step, loss, ...more })}\n`;

test('steps are told once, in order, the last word counts, and what is no number is named', () => {
  write(
    'metrics.jsonl',
    row('step', 1, 9) + row('step', 2, 8) + row('step', 3, null) + row('step', 2, 7.5) + row('validation', 2, 8.5) +
      row('warning', 2, 1) + '{"kind":"step","step":4,"lo',
  ); // prettier-ignore
  expect(readLossCurve(folder)).toMatchObject({
    training: [
      { step: 1, loss: 9 },
      { step: 2, loss: 7.5 },
    ],
    validation: [{ step: 2, loss: 8.5 }],
    notFinite: [3],
    tokenizer: 'abc',
    steps: 9,
  });
});

test('baselines come from the summary, bytes a token from a validation; what is missing is asked for', () => {
  const facts = { unigram: 1, bigram: 2, bytesPerToken: 3, keepsText: false };
  expect(readLossCurve(folder)).toMatchObject({ training: [], unigram: null, bigram: null, bytesPerToken: null });
  expect(readLossCurve(folder, () => facts)).toMatchObject(facts);
  write('summary.json', '{"unigram_loss": 6.5, "bigram_loss": null}');
  write('metrics.jsonl', row('validation', 2, Math.LN2 * 8, { bits_per_byte: 2 }));
  expect(readLossCurve(folder, () => facts)).toMatchObject({ unigram: 6.5, bigram: 2, bytesPerToken: 4 });
  write('summary.json', '{"unigram_loss": 6.');
  expect(readLossCurve(folder, () => facts)).toMatchObject({ unigram: 1, bigram: 2, bytesPerToken: 4 });
});
