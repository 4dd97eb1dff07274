/** Attention over split sequences, with rotary positions: the fused op stays wherever keys are whole. */
import { expect, test } from 'vitest';
import type { Placement } from '../../src/partition/placement.js';
import { Llama } from '../../src/nn/models/index.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, opsOf, resultsOf } from './equals_serial.js';

const model = new Llama({ layers: 1, dim: 8, heads: 2, hidden: 5, context: 5, vocab: 7 });
const step = {
  ...languageModel(model, { batch: 2, sequence: 5 }),
  mesh: { context: 2 },
  split: { sequence: ['context'] },
};

/** Splits a factor of the attention op over the context axis. */
const attentionBy =
  (factor: string): Placement['hint'] =>
  ({ source, rule }) =>
    source.path.endsWith('.attention') && rule.letters.t ? { [rule.letters[factor][0]]: { axes: ['context'] } } : null;

test('keys stay where they are: maximum, sum and mixture are reduced over the ranks', () => {
  const { placed } = expectEqualsSerial({ ...step, hint: attentionBy('t') });
  expect(opsOf(placed.step, 'attention')).toEqual([]);
  expect(opsOf(placed.step, 'attention_backward')).toEqual([]);
  expect(resultsOf(placed.step, opsOf(placed.step, 'max', '.attention')[0])).toEqual(['{| max:context}']);
  // Rotary embedding needs pairs whole, not positions: it stays fused.
  expect(resultsOf(placed.step, opsOf(placed.step, 'rotary')[0])).toEqual(['{sequence:context}']);
});

test('queries stay where they are: keys and values are gathered, and the kernel is told where its queries begin', () => {
  const { placed } = expectEqualsSerial({ ...step, hint: attentionBy('s') });
  for (const op of ['attention', 'attention_backward']) {
    const [{ assignment }] = opsOf(placed.step, op);
    expect(Object.keys(assignment.splits)).toEqual(['sequence']);
  }
  // No rank ever holds the scores of its queries against the keys.
  const positions = placed.step.values.map(({ type }) =>
    type.dims.flat().filter(({ name }) => name.startsWith('sequence')),
  );
  expect(Math.max(...positions.map((factors) => factors.length))).toBe(1);
});

test('heads instead of positions: all-to-all before and after, the kernel stays fused (Ulysses)', () => {
  const { placed } = expectEqualsSerial({ ...step, hint: attentionBy('g') });
  const [attention] = opsOf(placed.step, 'attention');
  expect(resultsOf(placed.step, attention)[0]).toBe('{heads:context}');
  expect(placed.step.steps.filter((s) => s.kind === 'move' && s.move.kind === 'all_to_all').length).toBeGreaterThan(0);
});
