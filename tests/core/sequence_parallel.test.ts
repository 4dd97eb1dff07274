/** What plans make of sequences that ranks share: what moves, what stays, and how many bytes. */
import { describe, expect, test } from 'vitest';
import { quoteTraining } from '../../src/compile/quote.js';
import { Llama } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import type { PlacedGraph } from '../../src/partition/placed.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes, type ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { contextMethods, type ContextMethod } from '../../src/plan/context_methods.js';
import { languageModel } from '../scenarios/language_model.js';
import { expectEqualsSerial, movesOf, opsOf } from './equals_serial.js';

const layers = 2;
// Long enough that activations outweigh weights, as they do in models of usual sizes.
const model = new Llama({ layers, dim: 16, heads: 4, kv_heads: 4, hidden: 32, context: 64, vocab: 32 });
const options = {
  ...languageModel(model, { batch: 2, sequence: 64 }),
  scopes: [{ of: '*', made: 'reshard', keep: 'segment and direction', ops: 'all' }] as const,
};
const tensor = { heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] };

/** Moves under a path, in one direction, by kind. */
const movesAt = ({ step }: { readonly step: PlacedGraph }, path: string, phase: string) =>
  movesOf({
    ...step,
    steps: step.steps.filter(({ source }) => source.path.startsWith(path) && source.phase === phase),
  });

describe('sequence parallelism over the tensor ranks', () => {
  const { placed } = expectEqualsSerial({
    ...options,
    mesh: { tensor: 2 },
    split: { ...tensor, sequence: ['tensor'] },
  });

  test('a block gathers before its products and scatters their result', () => {
    expect(movesAt(placed, 'blocks.1', 'forward')).toEqual({ all_gather: 2, reduce_scatter: 2 });
    // Gathered again for the gradients of the weights; and the gradients of results are gathered.
    expect(movesAt(placed, 'blocks.1', 'backward')).toEqual({ all_gather: 4, reduce_scatter: 2 });
  });

  test('products are split by heads and features, norms and residual sums by positions', () => {
    const splitBy = (op: string) => [
      ...new Set(opsOf(placed.step, op).flatMap(({ assignment }) => Object.keys(assignment.splits))),
    ];
    expect(splitBy('attention')).toEqual(['heads']);
    expect(splitBy('swiglu')).toEqual(['hidden']);
    expect(splitBy('rms_norm')).toEqual(['sequence']);
    // Tables of positions are made on each rank, not gathered.
    expect(splitBy('cos')).toEqual([]);
  });
});

describe('context parallelism', () => {
  const over = (contextMethod: ContextMethod, sizes: Readonly<Record<string, number>> = { context: 2 }) =>
    expectEqualsSerial({
      ...options,
      mesh: sizes,
      split: { ...tensor, sequence: ['context'] },
      contextMethod,
    }).placed;

  test('allgather: keys and values travel, queries stay', () => {
    const placed = over('allgather');
    expect(movesAt(placed, 'blocks.1', 'forward')).toEqual({ all_gather: 2 });
    // Keys and values again, and their gradients back to whom they belong.
    expect(movesAt(placed, 'blocks.1', 'backward')).toEqual({ all_gather: 2, reduce_scatter: 2 });
    for (const { assignment } of opsOf(placed.step, 'attention'))
      expect(Object.keys(assignment.splits)).toEqual(['sequence']);
  });

  test('ulysses: queries, keys, values and results are exchanged, and their gradients', () => {
    const placed = over('ulysses');
    expect(movesAt(placed, 'blocks.1', 'forward')).toEqual({ all_to_all: 4 });
    expect(movesAt(placed, 'blocks.1', 'backward')).toEqual({ all_to_all: 4 });
    for (const { assignment } of opsOf(placed.step, 'attention'))
      expect(Object.keys(assignment.splits)).toEqual(['heads']);
  });

  test('ring: keys and values go round, a hop a step, and their gradients home', () => {
    for (const ranks of [2, 3, 4]) {
      const placed = over('ring', { context: ranks });
      expect(movesAt(placed, 'blocks.1', 'forward')).toEqual({ permute: 2 * (ranks - 1) });
      expect(movesAt(placed, 'blocks.1', 'backward')).toEqual({ permute: 4 * (ranks - 1) });
      for (const { assignment } of opsOf(placed.step, 'attention'))
        expect(assignment.splits).toEqual({ sequence: { axes: ['context'] } });
    }
  });

  test('ulysses within tensor ranks: a head for each rank of both', () => {
    const placed = over('ulysses', { context: 2, tensor: 2 });
    const [{ assignment }] = opsOf(placed.step, 'attention');
    expect(assignment.splits).toEqual({ heads: { axes: ['tensor', 'context'] } });
  });
});

describe.each([32_768, 131_072])('programs for %i tokens', (context) => {
  const sizes = { layers: 4, dim: 512, heads: 8, kv_heads: 8, hidden: 1024, context, vocab: 256 };
  const long = new Llama(sizes);
  const described = describeModel(long);
  const activations = (asked: ParallelSizes, ranks: number): number => {
    const batch = { sequences: 1, microbatch: 1 };
    const plan = planOfSizes(asked, ranks, described, batch, { compute: 'bf16', master: 'f32' });
    const optimizer = adamw({ lr: 1e-3 });
    const { placed, classes } = quoteTraining({
      model: long,
      plan,
      sequence: context,
      registry: ops,
      target: 'cpu',
      optimizer,
    });
    expect(opsOf(placed.step, 'attention').length).toBeGreaterThanOrEqual(sizes.layers);
    return Math.max(...classes.map(({ liveBytes, persistentBytes }) => liveBytes - persistentBytes));
  };
  const alone = activations({}, 1);
  // Keys and values of one layer, and their gradients, in bf16: what allgather has whole for a moment, as they are stored and in their own
  // order, and of which a ring has a part besides.
  const whole = 4 * context * sizes.dim * 2;
  const besides = (method: ContextMethod, ranks: number) =>
    ({ allgather: 2 * whole, ulysses: 0, ring: whole / ranks, 'ulysses+ring': 0 })[method];

  test.each(contextMethods)('%s: attention stays fused, and activations fall with the ranks', (method) => {
    for (const ranks of [2, 4, 8]) {
      const asked = { context_parallel_size: ranks, context_parallel_method: method };
      const most = (1.05 * alone) / ranks + besides(method, ranks);
      expect(activations(asked, ranks) / most, `${ranks} ranks`).toBeLessThan(1);
    }
  });
});
