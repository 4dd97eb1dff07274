/**
 * The attention kernels against torch's scaled_dot_product_attention under explicit masks (`../pytorch/attention.py`), at sizes of
 * several blocks of queries and keys; and parts of the queries, as ranks have them, against the whole, bit for bit.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAddon, type AddonEngine } from '../../src/engine/native/bridge.js';
import { testDevice } from '../../src/engine/native/testing/device.js';
import { runSites } from '../../src/engine/native/testing/sites.js';
import { testOnCpu } from '../../src/engine/native/testing/tests_by_device.js';
import type { DType } from '../../src/ir/dtype.js';
import { opOf, type OpDefinition } from '../../src/ir/op.js';
import { elementsOf, tensorType, type TensorType } from '../../src/ir/type.js';
import { contiguous } from '../../src/kernels/site.js';
import { ops } from '../../src/ops/index.js';
import { runAttention, type AttentionCase, type AttentionResult } from '../pytorch/attention.js';

const sizes = { b: 2, s: 331, g: 2, r: 2, d: 6 };
const one = (attributes: Partial<AttentionCase>): AttentionCase => ({
  causal: false,
  window: 0,
  given: [],
  ...attributes,
});
const cases: readonly (readonly [what: string, AttentionCase])[] = [
  ['every key', one({})],
  ['causal', one({ causal: true })],
  ['a short window', one({ causal: true, window: 5 })],
  ['a window of more than a block of queries', one({ causal: true, window: 77 })],
  ['a window of more than a block of keys', one({ causal: true, window: 290 })],
  ['a window on both sides', one({ window: 70 })],
  ['documents', one({ causal: true, given: ['starts'] })],
  ['documents, read in both directions', one({ given: ['starts', 'ends'] })],
  ['documents and a window', one({ causal: true, window: 90, given: ['starts'] })],
  ['sinks', one({ causal: true, given: ['sinks'] })],
  ['sinks and a window', one({ causal: true, window: 33, given: ['sinks'] })],
  ['ALiBi', one({ causal: true, given: ['slopes'] })],
  ['ALiBi in both directions', one({ given: ['slopes'] })],
  ['biases by distance', one({ given: ['bias'] })],
  ['all at once', one({ causal: true, window: 200, given: ['starts', 'ends', 'sinks', 'slopes', 'bias'] })],
];

const { b, s, g, r, d } = sizes;
const query = { b, s, g, r, d };
const key = { b, t: s, g, d };
const places = { b, s };
const heads = { g, r };
const biases = { g, r, n: 41 };
const types: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ...{ q: query, k: key, v: key, o: query, dO: query, logsumexp: { b, s, g, r } },
  ...{ starts: places, ends: places, sinks: heads, slopes: heads, bias: biases },
};

/** Where documents begin; the first sequence is one alone from 200 on, the second has short ones. */
const begins = [
  [0, 64, 65, 200],
  [0, 3, 17, 130, 256, 300, 330],
];
const documentOf = (batch: number, at: number) => begins[batch].findLastIndex((begin) => begin <= at);
const overPlaces = (value: (batch: number, at: number) => number) =>
  Array.from({ length: b * s }, (_, i) => value(Math.floor(i / s), i % s));
const wave = (name: string, n: number) =>
  Array.from({ length: elementsOf(tensorType('f64', types[name])) }, (_, i) =>
    Math.fround(Math.sin(1.3 * i + n + (i % 7))),
  );
const values: Readonly<Record<string, readonly number[]>> = {
  ...{ q: wave('q', 0), k: wave('k', 1), v: wave('v', 2), dO: wave('dO', 3), sinks: wave('sinks', 4) },
  ...{ slopes: wave('slopes', 5).map(Math.abs), bias: wave('bias', 6) },
  starts: overPlaces((batch, at) => begins[batch][documentOf(batch, at)]),
  ends: overPlaces((batch, at) => begins[batch][documentOf(batch, at) + 1] ?? s),
};
/** Heads are one dimension to PyTorch. */
const shapeOf = ({ g = 1, r, ...others }: Readonly<Record<string, number>>, name: string): readonly number[] => {
  const h = r === undefined ? [g] : [g * r];
  if (name === 'starts' || name === 'ends') return [b, s];
  return 'b' in others ? [b, s, ...h, d] : [...h, ...('n' in others ? [others.n] : [])];
};

const arenaBytes = 1 << 27;
let engine: AddonEngine;
let theirs: readonly AttentionResult[];
beforeAll(async () => {
  engine = loadAddon().open({ device: testDevice, threads: 2, arenaBytes });
  const given = Object.entries(values).map(([name, list]) => [
    name,
    { shape: shapeOf(types[name], name), values: list },
  ]);
  theirs = await runAttention(
    Object.fromEntries(given),
    cases.map(([, attributes]) => attributes),
  );
});
afterAll(() => engine?.close());

/**
 * Of a result, by its largest: a few roundings of the type that factors have, over sums of hundreds of them. The gradient of a bias sums
 * over all queries besides: as many times more terms, whose errors grow with the root.
 */
const tolerance: Partial<Record<DType, number>> = { f64: 1e-13, f32: 2e-6, bf16: 2e-2 };

describe.each(cases.map(([what, attributes], i) => [what, attributes, i] as const))('%s', (_, attributes, index) => {
  test.each(['f64', 'f32', 'bf16'] as const)('in %s, forward and backward are theirs', async (dtype) => {
    const results = await attend(attributes, dtype);
    for (const [name, values] of Object.entries(theirs[index])) {
      const largest = Math.max(...values.map(Math.abs));
      const worst = Math.max(...values.map((value, i) => Math.abs(results[name][i] - value)));
      expect(worst / largest, name).toBeLessThan(tolerance[dtype]! * (name === 'dBias' ? Math.sqrt(s) : 1));
    }
  });

  testOnCpu('ownKernels')('queries in parts have the bits of the whole', async () => {
    const whole = await attend(attributes, 'bf16');
    for (const [from, to] of [
      [0, 100],
      [100, s],
    ] as const) {
      const part = await attend(attributes, 'bf16', [from, to]);
      for (const name of ['o', 'logsumexp', 'dQ']) expect(part[name]).toEqual(queriesOf(whole[name], s, [from, to]));
    }
  });
});

/** The queries from one on of what has them behind the batch. */
function queriesOf(values: readonly number[], length: number, [from, to]: readonly [number, number]): number[] {
  const row = values.length / (b * length);
  return Array.from({ length: b }, (_, i) => values.slice((i * length + from) * row, (i * length + to) * row)).flat();
}

/** Forward and backward of a part of the queries, by names of operands and results. */
async function attend(
  { given, ...masks }: AttentionCase,
  dtype: DType,
  part: readonly [from: number, to: number] = [0, s],
): Promise<Readonly<Record<string, readonly number[]>>> {
  const known: Record<string, readonly number[]> = { ...values };
  for (const name of ['q', 'dO', 'starts', 'ends']) known[name] = queriesOf(values[name], s, part);
  for (const op of ['attention', 'attention_backward']) {
    const attributes = { ...masks, given, letters: ['b=b', 's=s', 't=t', 'g=g', 'r=r', 'd=d'] };
    const definition = opOf(ops, { op, attributes });
    const local = (type: TensorType): TensorType => ({
      ...type,
      dims: type.dims.map((dim) => dim.map((f) => (f.name === 's' ? { ...f, size: part[1] - part[0] } : f))),
    });
    const operands = definition.operands.map((name, i) => tensorType(dtypeOf(definition, i, dtype), types[name]));
    const names = definition.operands.map((name) => Object.keys(types[name]));
    const { rule, results } = definition.bind({ operands, names, attributes });
    const blocks = results.map(local).map(contiguous);
    const site = {
      ...{ op, rule, attributes, inputs: operands.map(local).map(contiguous), outputs: blocks },
      ...{ accumulates: blocks.map(() => false), sameInputs: false, origins: { s: part[0] } },
    };
    const inputs = definition.operands.map((name) => Float64Array.from(known[name]));
    const [made] = await runSites(engine, arenaBytes, [{ site, inputs }]);
    definition.results.forEach((name, i) => (known[name] = made[i]));
  }
  return known;
}

function dtypeOf({ signature }: OpDefinition, operand: number, dtype: DType): DType {
  const kind = signature!.operands[operand].class;
  return kind === 'int' ? 'i32' : kind === 'f32' && dtype !== 'f64' ? 'f32' : dtype;
}
