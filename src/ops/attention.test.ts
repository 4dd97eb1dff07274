/** Attention against its definition, a loop over queries and keys. */
import { expect, test } from 'vitest';
import { GraphBuilder } from '../ir/builder.js';
import type { Attributes } from '../ir/graph.js';
import { tensorType } from '../ir/type.js';
import { evaluate } from './evaluate.js';
import { keysSeen } from './attention_scores.js';
import { ops } from './index.js';

const sizes = { b: 2, s: 7, t: 5, g: 2, r: 2, d: 3 };
const { b, s, t, g, r, d } = sizes;
const wave = (length: number, phase: number) => Float64Array.from({ length }, (_, i) => Math.sin(1.7 * i + phase));
const given = { q: wave(b * s * g * r * d, 0), k: wave(b * t * g * d, 1), v: wave(b * t * g * d, 2) };

type Sees = (query: number, key: number) => boolean;

const masks: readonly [what: string, attributes: Attributes, sees: Sees][] = [
  ['all keys', {}, () => true],
  ['causal', { causal: true }, (i, j) => j <= i],
  ['a window of itself and two keys before', { causal: true, window: 3 }, (i, j) => j <= i && i - j < 3],
  ['a window on both sides', { window: 2 }, (i, j) => Math.abs(i - j) < 2],
  ['a window of itself, which the last queries do not find', { window: 1 }, (i, j) => i === j],
  ['a window wider than all', { causal: true, window: 99 }, (i, j) => j <= i],
];

test.each(masks)('%s', (_, attributes, sees) => {
  const builder = new GraphBuilder(ops, 'attention');
  const [q, k, v] = [
    builder.input('q', 'data', tensorType('f64', { b, s, g, r, d })),
    ...['k', 'v'].map((name) => builder.input(name, 'data', tensorType('f64', { b, t, g, d }))),
  ];
  const [o, logsumexp] = builder.apply('attention', [q, k, v], attributes);
  builder.output('o', o);
  builder.output('logsumexp', logsumexp);
  const { outputs } = evaluate(builder.build(), given);
  const wanted = attend(sees);
  for (const name of ['o', 'logsumexp'] as const)
    outputs[name].forEach((x, i) => {
      if (Number.isFinite(wanted[name][i])) expect(x, `${name}[${i}]`).toBeCloseTo(wanted[name][i], 12);
      else expect(x, `${name}[${i}]`).toBe(wanted[name][i]);
    });
});

/** A query that sees no key takes nothing: 0, of a sum whose logarithm is −∞. */
function attend(sees: Sees): { readonly o: Float64Array; readonly logsumexp: Float64Array } {
  const o = new Float64Array(b * s * g * r * d);
  const logsumexp = new Float64Array(b * s * g * r);
  for (let row = 0; row < logsumexp.length; row++) {
    const [query, head] = [Math.floor(row / (g * r)) % s, Math.floor(row / r) % g];
    const batch = Math.floor(row / (s * g * r));
    const at = (key: number) => ((batch * t + key) * g + head) * d;
    const weights = Array.from({ length: t }, (_, key) => {
      if (!sees(query, key)) return 0;
      let dot = 0;
      for (let c = 0; c < d; c++) dot += given.q[row * d + c] * given.k[at(key) + c];
      return Math.exp(dot / Math.sqrt(d));
    });
    const total = weights.reduce((sum, w) => sum + w, 0);
    logsumexp[row] = Math.log(total);
    for (let c = 0; c < d; c++)
      o[row * d + c] = weights.reduce((sum, w, key) => sum + (w === 0 ? 0 : (w / total) * given.v[at(key) + c]), 0);
  }
  return { o, logsumexp };
}

test.each([
  [{ causal: true }, 1],
  [{ causal: true, window: 30 }, 1],
  [{ window: 30 }, 1],
  [{ causal: true }, 3],
  [{ causal: true, window: 130 }, 3],
  [{ window: 130 }, 3],
  [{}, 3],
] as const)('flops count the keys that are seen: %o in %i parts', (attributes, parts) => {
  const each = 60;
  const { causal = false, window = Infinity } = attributes as { causal?: boolean; window?: number };
  const sees = (i: number, j: number) => (!causal || j <= i) && Math.abs(i - j) < window;
  for (let turn = 0; turn < parts; turn++) {
    let pairs = 0;
    for (let i = 0; i < parts * each; i++) {
      const part = (Math.floor(i / each) + turn) % parts;
      for (let j = part * each; j < (part + 1) * each; j++) if (sees(i, j)) pairs++;
    }
    const seen = keysSeen(each, { ...attributes, ...(parts > 1 && { parts, turn }) });
    // An area, of which the pairs on the diagonals are half in.
    expect(Math.abs(seen - pairs / (parts * each)), `turn ${turn}`).toBeLessThanOrEqual(1);
  }
});
