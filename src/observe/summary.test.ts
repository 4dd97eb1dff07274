import { expect, test } from 'vitest';
import { summaryJson, summaryText } from './summary.js';
import { summary } from './testing.js';

test('a summary reads like this', () => {
  expect(summaryText(summary)).toBe(
    `summary of demo
  model    14.0 M parameters, bf16
  ranks    2, native on cpu; data 2
  trained  750 steps, 12.3 M tokens, 5:00
  set-up   3.20 s
  speed    41.0 k tokens/s, 400 ms a step, 41% of this machine's matmul peak
  memory   405 MB a rank predicted, 405 MB measured
  loss     training 4.1000, validation 4.2000 nats/token, 1.654 bits/byte
  compare  unigram 6.9000, bigram 4.8000 (the model is below), same tokens
  picture  runs/demo/loss.svg
  folder   runs/demo`,
  );
});

test('a validation loss of an earlier step says of which', () => {
  expect(summaryText({ ...summary, validationStep: 700 })).toContain('validation 4.2000 nats/token at step 700, 1.654');
  expect(summaryText({ ...summary, validationStep: null })).toContain('validation 4.2000 nats/token, 1.654');
});

test('bits a byte of a tokenizer that loses text say so', () => {
  expect(summaryText({ ...summary, keepsText: false })).toContain('1.654 bits/byte (of a tokenizer that loses text)');
});

test('one is one, and a single rank is split over nothing', () => {
  const text = summaryText({ ...summary, ranks: 1, plan: 'one rank', steps: 1, skippedUpdates: 1 });
  expect(text).toContain('ranks    1, native on cpu\n');
  expect(text).toContain('trained  1 step, 12.3 M tokens, 5:00; 1 update left out, gradients not finite');
});

test('what was not measured is not shown', () => {
  const text = summaryText({
    ...summary,
    tokensPerSecond: null,
    unigramLoss: null,
    bigramLoss: null,
    peakBytesMeasured: null,
  });
  expect(text).not.toMatch(/speed|compare|measured|null|NaN/);
});

test('the JSON has a name and a value for every number', () => {
  const json = summaryJson(summary);
  expect(json).toMatchObject({
    ranks: 2,
    steps: 750,
    validation_loss: 4.2,
    bigram_loss: 4.8,
    unigram_loss: 6.9,
    bits_per_byte: 1.654,
    tokens_per_second: 40_960,
    peak_bytes_predicted: 405_000_192,
    peak_bytes_measured: 405_000_192,
    setup_seconds: 3.2,
  });
  expect(Object.keys(json)).toHaveLength(Object.keys(summary).length);
});
