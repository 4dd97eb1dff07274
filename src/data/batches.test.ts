import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { TrainingBatches, ValidationBatches } from './batches.js';
import { folderWith } from './testing/folder.js';
import { TokenFile, writeTokenFile } from './token_file.js';
import { atOnce } from './in_parts.js';

/** A file whose token at position i is i. */
function counting(tokens: number): TokenFile {
  const prefix = join(folderWith(), 'x');
  atOnce(writeTokenFile(prefix, [Int32Array.from({ length: tokens }, (_, i) => i)], { vocab: tokens, total: 1 }));
  const file = TokenFile.open(prefix);
  onTestFinished(() => file.close());
  return file;
}

test('labels are the next tokens, across sequences too', () => {
  const batches = new TrainingBatches({ file: counting(41), context: 4, globalBatch: 5, seed: 3 });
  expect(batches.sequencesPerEpoch).toBe(10);
  const { tokens, labels } = batches.samples(0, 5);
  expect([...labels]).toEqual([...tokens].map((token) => token + 1));
  const firsts = [...tokens].filter((_, i) => i % 4 === 0);
  expect(firsts.every((first) => first % 4 === 0)).toBe(true);
  const next = [...batches.samples(5, 5).tokens].filter((_, i) => i % 4 === 0);
  expect([...firsts, ...next].sort((a, b) => a - b)).toEqual([0, 4, 8, 12, 16, 20, 24, 28, 32, 36]); // an epoch
});

test('ranks that read parts of a batch read the batch', () => {
  const batches = new TrainingBatches({ file: counting(300), context: 8, globalBatch: 6, seed: 11 });
  for (const first of [0, 30, 600]) {
    const whole = batches.samples(first, 6);
    const parts = [batches.samples(first, 1), batches.samples(first + 1, 3), batches.samples(first + 4, 2)];
    expect(parts.flatMap(({ tokens }) => [...tokens])).toEqual([...whole.tokens]);
    expect(parts.flatMap(({ labels }) => [...labels])).toEqual([...whole.labels]);
  }
});

test('validation is the same sequences in the order of the text, spread over all of it where there is a limit', () => {
  const file = counting(101);
  const all = new ValidationBatches({ file, context: 10, limit: 99 });
  expect(all.sequences).toBe(10);
  expect([...all.batch().tokens]).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect([...all.batch(3, 2).labels]).toEqual(Array.from({ length: 20 }, (_, i) => 31 + i));
  const some = new ValidationBatches({ file, context: 10, limit: 3 });
  expect([...some.batch().tokens].filter((_, i) => i % 10 === 0)).toEqual([0, 30, 60]);
});

test('what the refusal of too little data offers is enough', () => {
  const some = fc.integer({ min: 1, max: 60 });
  fc.assert(
    fc.property(some, some, some, (tokens, context, globalBatch) => {
      const make = (changes: object) =>
        new TrainingBatches({ file: counting(tokens), context, globalBatch, seed: 0, ...changes });
      const fix = refusalOf(() => make({}));
      const of = (pattern: RegExp) => Number(pattern.exec(fix)?.[1] ?? NaN);
      const [less, sequences] = [of(/context to (\d+)/), of(/microbatch\) to (\d+)/)];
      if (!Number.isNaN(less)) expect(make({ context: less })).toBeDefined();
      else if (fix !== '') expect(() => make({ context: 1 })).toThrow();
      if (!Number.isNaN(sequences)) expect(make({ globalBatch: sequences })).toBeDefined();
    }),
  );
});

function refusalOf(run: () => unknown): string {
  try {
    run();
    return '';
  } catch (error) {
    return (error as DiagnosticError).diagnostic.fix!;
  }
}

test('data shorter than one batch is refused, with the figures', () => {
  const file = counting(40);
  expect(() => new TrainingBatches({ file, context: 4, globalBatch: 10, seed: 0 })).toThrow(
    /40 tokens make 9 sequences of 4, a batch takes 10 \[data\/shorter-than-one-batch\]/,
  );
  expect(() => new ValidationBatches({ file, context: 40, limit: 1 })).toThrow('data/shorter-than-one-batch');
});
