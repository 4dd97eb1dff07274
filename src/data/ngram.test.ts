import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bitsPerByte, countNgrams, evaluateNgram } from './ngram.js';

const vocab = 6;
const anyTokens = fc.array(fc.nat(vocab - 1), { maxLength: 40 });
const range = Array.from({ length: vocab }, (_, i) => i);

test('probabilities sum to one, and none is zero', () => {
  fc.assert(
    fc.property(anyTokens, fc.nat(vocab - 1), (tokens, history) => {
      const models = countNgrams([Int32Array.from(tokens)], vocab);
      for (const model of [models.unigram, models.bigram]) {
        const probabilities = range.map((label) => model.probability(label, history));
        expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
        // With every type seen, only interpolation keeps a bigram that was not from zero.
        if (tokens.length > 0 && new Set(tokens).size < vocab) expect(Math.min(...probabilities)).toBeGreaterThan(0);
      }
    }),
  );
});

test('probabilities equal those counted by definition, however the tokens come in pieces', () => {
  fc.assert(
    fc.property(anyTokens, fc.nat(40), fc.nat(vocab - 1), fc.nat(vocab - 1), (tokens, cut, h, w) => {
      const models = countNgrams([Int32Array.from(tokens.slice(0, cut)), Int32Array.from(tokens.slice(cut))], vocab);
      const types = new Set(tokens).size;
      const seen = tokens.filter((t) => t === w).length;
      const unigram = tokens.length === 0 ? 1 / vocab : (seen + types / vocab) / (tokens.length + types);
      const after = tokens.filter((_, i) => i > 0 && tokens[i - 1] === h);
      const followers = new Set(after).size;
      const pairs = after.filter((t) => t === w).length;
      const bigram = after.length === 0 ? unigram : (pairs + followers * unigram) / (after.length + followers);
      expect(models.unigram.probability(w, h)).toBeCloseTo(unigram, 14);
      expect(models.bigram.probability(w, h)).toBeCloseTo(bigram, 14);
    }),
  );
});

test('a worked example: a b a b a', () => {
  const { unigram, bigram } = countNgrams([Int32Array.of(0, 1, 0, 1, 0)], 2);
  expect(unigram.probability(0, 0)).toBeCloseTo((3 + 2 / 2) / (5 + 2), 14);
  expect(bigram.probability(1, 0)).toBeCloseTo((2 + (1 * 3) / 7) / (2 + 1), 14);
  const evaluation = { tokens: Int32Array.of(0, 1), labels: Int32Array.of(1, 0) };
  const nats = -(Math.log((2 + 3 / 7) / 3) + Math.log((2 + 4 / 7) / 3)) / 2;
  expect(evaluateNgram(bigram, evaluation)).toBeCloseTo(nats, 14);
  expect(bitsPerByte(Math.LN2 * 8, 4)).toBeCloseTo(2, 14); // 8 bits a token of 4 bytes
});
