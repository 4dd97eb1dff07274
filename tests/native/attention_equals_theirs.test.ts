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
import { opNamed } from '../../src/ir/op.js';
import { elementsOf, tensorType, type TensorType } from '../../src/ir/type.js';
import { contiguous } from '../../src/kernels/site.js';
import { ops } from '../../src/ops/index.js';
import { runAttention, type AttentionCase, type AttentionResult } from '../pytorch/attention.js';

const sizes = { b: 2, s: 331, g: 2, r: 2, d: 6 };
const cases: readonly (readonly [what: string, AttentionCase])[] = [
  ['every key', { causal: false, window: 0 }],
  ['causal', { causal: true, window: 0 }],
  ['a short window', { causal: true, window: 5 }],
  ['a window of more than a block of queries', { causal: true, window: 77 }],
  ['a window of more than a block of keys', { causal: true, window: 290 }],
  ['a window on both sides', { causal: false, window: 70 }],
];

const { b, s, g, r, d } = sizes;
const query = { b, s, g, r, d };
const key = { b, t: s, g, d };
const types: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ...{ q: query, k: key, v: key, o: query, dO: query },
  logsumexp: { b, s, g, r },
};
const [q, k, v, dO] = ['q', 'k', 'v', 'dO'].map((name, n) => ({
  shape: name === 'q' || name === 'dO' ? [b, s, g * r, d] : [b, s, g, d],
  values: Array.from({ length: elementsOf(tensorType('f64', types[name])) }, (_, i) =>
    Math.fround(Math.sin(1.3 * i + n + (i % 7))),
  ),
}));

const arenaBytes = 1 << 27;
let engine: AddonEngine;
let theirs: readonly AttentionResult[];
beforeAll(async () => {
  engine = loadAddon().open({ device: testDevice, threads: 2, arenaBytes });
  theirs = await runAttention(
    { q, k, v, dO },
    cases.map(([, one]) => one),
  );
});
afterAll(() => engine?.close());

/** Of a result, by its largest: a few roundings of the type that factors have, over sums of hundreds of them. */
const tolerance: Partial<Record<DType, number>> = { f64: 1e-13, f32: 2e-6, bf16: 2e-2 };

describe.each(cases.map(([what, one], i) => [what, one, i] as const))('%s', (_, one, index) => {
  test.each(['f64', 'f32', 'bf16'] as const)('in %s, forward and backward are theirs', async (dtype) => {
    const results = await attend(one, dtype);
    for (const [name, values] of Object.entries(theirs[index])) {
      const largest = Math.max(...values.map(Math.abs));
      const worst = Math.max(...values.map((value, i) => Math.abs(results[name][i] - value)));
      expect(worst / largest, name).toBeLessThan(tolerance[dtype]!);
    }
  });

  testOnCpu('ownKernels')('queries in parts have the bits of the whole', async () => {
    const whole = await attend(one, 'bf16');
    for (const [from, to] of [
      [0, 100],
      [100, s],
    ] as const) {
      const part = await attend(one, 'bf16', [from, to]);
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
  { causal, window }: AttentionCase,
  dtype: DType,
  part: readonly [from: number, to: number] = [0, s],
): Promise<Readonly<Record<string, readonly number[]>>> {
  const known: Record<string, readonly number[]> = {
    ...{ q: queriesOf(q.values, s, part), dO: queriesOf(dO.values, s, part) },
    ...{ k: k.values, v: v.values },
  };
  for (const op of ['attention', 'attention_backward']) {
    const definition = opNamed(ops, op);
    const local = (type: TensorType): TensorType => ({
      ...type,
      dims: type.dims.map((dim) => dim.map((f) => (f.name === 's' ? { ...f, size: part[1] - part[0] } : f))),
    });
    const operands = definition.operands.map((name) =>
      tensorType(name === 'logsumexp' && dtype !== 'f64' ? 'f32' : dtype, types[name]),
    );
    const attributes = { causal, window, letters: ['b=b', 's=s', 't=t', 'g=g', 'r=r', 'd=d'] };
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
