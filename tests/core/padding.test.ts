/** Padding: tokens without a target weigh nothing, in the loss and in the balance of routers. */
import { expect, test } from 'vitest';
import { Mixtral } from '../../src/nn/models/index.js';
import { nameOf, termRole } from '../../src/ir/role.js';
import { countScalars, countStep } from '../../src/nn/denominators.js';
import { elementsOf } from '../../src/ir/type.js';
import { traceTraining } from '../../src/passes/trace_training.js';
import { evaluate } from '../../src/ops/evaluate.js';
import { uniform } from '../scenarios/scenario.js';

const sizes = { layers: 2, dim: 8, heads: 2, hidden: 6, context: 9, vocab: 11 };
/** Room for every token: what padding would drop is not what is asked. */
const model = new Mixtral({ ...sizes, experts: 3, choices: 2, capacity_factor: 3, balance: 0.7, z_loss: 0.3 });

/**
 * Sums and gradients of sequences of these lengths, filled up to `sequence` with tokens of any id; in one logical microbatch, or in as many
 * as are said.
 */
function trained(lengths: readonly number[], sequence: number, microbatches = 1) {
  const batch = lengths.length / microbatches;
  const { graph } = traceTraining(model, { microbatches, batch, sequence, dtype: 'f64' });
  const at = (place: (row: number, at: number) => number) =>
    lengths.flatMap((_, row) => Array.from({ length: sequence }, (_, at) => place(row, at)));
  const id = (what: string) => (row: number, place: number) => Math.floor(11 * uniform(`${what} ${row} ${place}`));
  const data: Readonly<Record<string, readonly number[]>> = {
    tokens: at(id('token')),
    labels: at((row, place) => (place < lengths[row] ? id('label')(row, place) : -1)),
  };
  const inMicrobatch = Array.from({ length: microbatches }, (_, i) => i * batch * sequence);
  const counts = countStep(
    inMicrobatch.map((from) => Int32Array.from(data.labels).subarray(from, from + batch * sequence)),
  );
  const given = { ...data, tokens_per_microbatch: [countScalars(counts).tokens_per_microbatch!] };
  const inputs = graph.inputs.map(({ name, kind, value }) => {
    const count = elementsOf(graph.values[value].type);
    const weights = () => Array.from({ length: count }, (_, i) => 2 * uniform(`${name} ${i}`) - 1);
    return [name, Float64Array.from(kind === 'parameter' ? weights() : given[name as keyof typeof given])] as const;
  });
  return evaluate(graph, Object.fromEntries(inputs)).outputs;
}

test('a sequence that is filled up trains on what it trains on by itself', () => {
  const [alone, padded] = [trained([5], 5), trained([5], 9)];
  for (const [name, values] of Object.entries(alone))
    values.forEach((value, i) => expect(padded[name][i], `${name}[${i}]`).toBeCloseTo(value, 11));
});

test('a sequence of padding alone adds nothing', () => {
  const [one, two] = [trained([6], 6), trained([6, 0], 6)];
  for (const [name, values] of Object.entries(one))
    values.forEach((value, i) => expect(two[name][i], `${name}[${i}]`).toBeCloseTo(value, 11));
});

test('a microbatch of padding alone is none: what is averaged over microbatches stays', () => {
  const [one, two] = [trained([6], 6), trained([6, 0], 6, 2)];
  for (const [name, values] of Object.entries(one))
    values.forEach((value, i) => expect(two[name][i], `${name}[${i}]`).toBeCloseTo(value, 11));
});

test('a microbatch weighs as much as another in what is averaged over microbatches, however many tokens it has', () => {
  const [long, short, both] = [trained([7], 7), trained([0, 2], 7, 2), trained([7, 2], 7, 2)];
  const balance = nameOf(termRole('balance'));
  expect(both.tokens[0]).toBe(9);
  expect(both[balance][0]).not.toBeCloseTo(long[balance][0], 5);
  // Their queues have room for all, so that what the second microbatch comes to does not hang on its place.
  expect(both[balance][0]).toBeCloseTo(long[balance][0] + short[balance][0], 11);
});

test('nothing but padding is no loss, and no number that is not finite', () => {
  const { tokens, ...sums } = trained([0, 0], 4);
  expect([...tokens]).toEqual([0]);
  for (const [name, values] of Object.entries(sums))
    expect(
      [...values].every((value) => value === 0),
      name,
    ).toBe(true);
});
