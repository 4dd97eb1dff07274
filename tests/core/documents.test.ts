/** Packed documents that are kept apart: each is read as if it were alone, whatever ranks share the sequence. */
import { describe, expect, test } from 'vitest';
import type { LanguageModel } from '../../src/nn/language_model.js';
import { GPT, Llama } from '../../src/nn/models/index.js';
import { Attention, Embedding, LanguageModel as Base, Linear } from '../../src/nn/index.js';
import { traceModel } from '../../src/nn/trace.js';
import { evaluate } from '../../src/ops/evaluate.js';
import { elementsOf } from '../../src/ir/type.js';
import type { Tensor } from '../../src/ir/tensor.js';
import { contextMethods } from '../../src/plan/context_methods.js';
import { pipelineOf } from '../../src/plan/plan.js';
import { languageModel } from '../scenarios/language_model.js';
import { uniform } from '../scenarios/scenario.js';
import { expectEqualsSerial } from './equals_serial.js';

const sizes = { layers: 2, dim: 8, heads: 2, context: 9, vocab: 11 };

class Bidirectional extends Base {
  embedding = new Embedding({ by: 'vocab', count: 11, dim: 8, std: 0.5 });
  attention = new Attention({ dim: 8, heads: 2 });
  head = new Linear({ in: { dim: 8 }, out: { vocab: 11 }, bias: false });

  forward(tokens: Tensor) {
    const x = this.embedding.forward(tokens);
    return this.head.forward(x.add(this.attention.forward(x)));
  }
}

const models: readonly (readonly [string, LanguageModel])[] = [
  ['learned positions', new GPT({ ...sizes, hidden: 12 })],
  ['rotary positions, a window', new Llama({ ...sizes, heads: 4, kv_heads: 2, hidden: 12, window: 3 })],
  ['attention in both directions', new Bidirectional({ context: 9, vocab: 11 })],
];

/** Documents of three sequences, by their lengths. */
const documents = [[9], [4, 1, 4], [2, 7]];
const token = (row: number, at: number) => Math.floor(11 * uniform(`token ${row} ${at}`));
const label = (row: number, at: number) => (at === 3 ? -1 : Math.floor(11 * uniform(`label ${row} ${at}`)));

test.each(models)('%s: the loss of a packed sequence is the sum of those of its documents, each alone', (_, model) => {
  const rows = documents.map((lengths) => lengths.map((length, i) => ({ start: sum(lengths.slice(0, i)), length })));
  const places = rows.map((list) => list.flatMap(({ start, length }) => Array<number>(length).fill(start)));
  const ends = rows.map((list) => list.flatMap(({ start, length }) => Array<number>(length).fill(start + length)));
  const all = (value: (row: number, at: number) => number) =>
    places.flatMap((list, row) => list.map((_, at) => value(row, at)));
  const packed = lossOf(model, [3, 9], {
    ...{ tokens: all(token), labels: all(label) },
    ...{ document_starts: places.flat(), document_ends: ends.flat() },
  });
  const alone = rows.flatMap((list, row) =>
    list.map(({ start, length }) => {
      const of = (value: typeof token) => Array.from({ length }, (_, at) => value(row, start + at));
      return lossOf(model, [1, length], { tokens: of(token), labels: of(label) });
    }),
  );
  expect(packed).toBeCloseTo(sum(alone), 10);
  // And they would not be without being kept apart.
  expect(Math.abs(lossOf(model, [3, 9], { tokens: all(token), labels: all(label) }) - packed)).toBeGreaterThan(1e-4);
});

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function lossOf(
  model: LanguageModel,
  [batch, sequence]: readonly [number, number],
  data: Readonly<Record<string, readonly number[]>>,
): number {
  const separate = 'document_starts' in data;
  const { graph } = traceModel(model, { batch, sequence, dtype: 'f64', documents: separate ? 'separate' : 'packed' });
  const inputs = graph.inputs.map(({ name, kind, value }) => {
    const elements = elementsOf(graph.values[value].type);
    const weight = (_: unknown, i: number) => 2 * uniform(`${name} ${i}`) - 1;
    return [name, Float64Array.from(kind === 'data' ? data[name] : Array.from({ length: elements }, weight))] as const;
  });
  return evaluate(graph, Object.fromEntries(inputs)).outputs.loss_sum[0];
}

describe('ranks that share sequences', () => {
  const shape = { microbatches: 1, batch: 2, sequence: 7, documents: 'separate' } as const;
  const llama = new Llama({ ...sizes, heads: 4, kv_heads: 2, hidden: 12 });
  const gpt = new GPT({ ...sizes, hidden: 12 });

  test.each(contextMethods)('%s: a rank sees of its documents what one device sees', (contextMethod) => {
    for (const model of [llama, gpt])
      expectEqualsSerial({
        ...languageModel(model, shape),
        ...{ mesh: { context: 3 }, split: { sequence: ['context'] }, contextMethod },
      });
  });

  test('tensor ranks, sequences split where they split nothing else; two chunks, which both read where documents begin', () => {
    expectEqualsSerial({
      ...languageModel(llama, shape),
      ...{
        mesh: { tensor: 2 },
        split: { heads: ['tensor'], kv_group: ['tensor'], hidden: ['tensor'], sequence: ['tensor'] },
      },
    });
    const pipeline = pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { tensor: 2 } },
      { segments: ['blocks.1', 'head'], mesh: {} },
    ]);
    for (const model of [gpt, llama])
      expectEqualsSerial({
        ...languageModel(model, { ...shape, batch: 1 }),
        ...{ pipeline, split: { heads: ['tensor'], kv_group: ['tensor'] }, schedule: '1f1b', microbatches: 2 },
      });
  });
});
