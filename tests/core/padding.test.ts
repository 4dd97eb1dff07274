/** Padding: tokens without a target weigh nothing, in the loss and in the balance of routers. */
import { expect, test } from 'vitest';
import { Mixtral } from '../../src/nn/models/index.js';
import { elementsOf } from '../../src/ir/type.js';
import { traceTraining } from '../../src/passes/trace_training.js';
import { evaluate } from '../../src/ops/evaluate.js';
import { uniform } from '../scenarios/scenario.js';

const sizes = { layers: 2, dim: 8, heads: 2, hidden: 6, context: 9, vocab: 11 };
/** Room for every token: what padding would drop is not what is asked. */
const model = new Mixtral({ ...sizes, experts: 3, choices: 2, capacity_factor: 3, balance: 0.7 });

/** Sums and gradients of sequences of these lengths, filled up to `sequence` with tokens of any id. */
function trained(lengths: readonly number[], sequence: number) {
  const { graph } = traceTraining(model, { batch: lengths.length, sequence, dtype: 'f64' });
  const at = (place: (row: number, at: number) => number) =>
    lengths.flatMap((_, row) => Array.from({ length: sequence }, (_, at) => place(row, at)));
  const id = (what: string) => (row: number, place: number) => Math.floor(11 * uniform(`${what} ${row} ${place}`));
  const data: Readonly<Record<string, readonly number[]>> = {
    tokens: at(id('token')),
    labels: at((row, place) => (place < lengths[row] ? id('label')(row, place) : -1)),
  };
  const inputs = graph.inputs.map(({ name, kind, value }) => {
    const count = elementsOf(graph.values[value].type);
    const weights = () => Array.from({ length: count }, (_, i) => 2 * uniform(`${name} ${i}`) - 1);
    return [name, Float64Array.from(kind === 'data' ? data[name] : weights())] as const;
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

test('nothing but padding is no loss, and no number that is not finite', () => {
  const { tokens, ...sums } = trained([0, 0], 4);
  expect([...tokens]).toEqual([0]);
  for (const [name, values] of Object.entries(sums))
    expect(
      [...values].every((value) => value === 0),
      name,
    ).toBe(true);
});
