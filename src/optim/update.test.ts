import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate } from '../ops/evaluate.js';
import { tensorType } from '../ir/type.js';
import { adamwScalars } from './adamw.js';
import { adamw, type AdamW } from './options.js';
import { gradientRole, nameOf } from '../ir/role.js';
import { buildUpdate, statesOf } from './update.js';

const parameters = [
  { name: 'weight', type: tensorType('f64', { out: 2, in: 2 }) },
  { name: 'bias', type: tensorType('f64', { out: 2 }) },
];

interface Given {
  readonly weight: readonly number[];
  readonly bias: readonly number[];
  readonly tokens: number;
}

/** One first update of weights [1 2 3 4] and biases [5 6], from zero moments. */
function firstUpdate(optimizer: AdamW, gradient: Given) {
  const state = parameters.flatMap(({ name }) =>
    statesOf(name).map((state) => [nameOf(state), new Float64Array(name === 'weight' ? 4 : 2)] as const),
  );
  const scalars = Object.entries(adamwScalars(optimizer, 0, 10)).map(
    ([name, x]) => [name, Float64Array.of(x)] as const,
  );
  const { outputs } = evaluate(buildUpdate(parameters, optimizer), {
    weight: Float64Array.of(1, 2, 3, 4),
    bias: Float64Array.of(5, 6),
    [nameOf(gradientRole('weight'))]: Float64Array.from(gradient.weight),
    [nameOf(gradientRole('bias'))]: Float64Array.from(gradient.bias),
    tokens: Float64Array.of(gradient.tokens),
    ...Object.fromEntries([...state, ...scalars]),
  });
  return outputs;
}

const steady = { schedule: 'constant', warmup_steps: 0 } as const;
const plain = { ...steady, lr: 0.1, weight_decay: 0, clip_grad_norm: null, eps: 0 };

test('the norm is that of the mean gradient over all parameters', () => {
  const { gradient_norm } = firstUpdate(adamw(plain), { weight: [2, 4, 4, 0], bias: [8, 0], tokens: 10 });
  expect(gradient_norm[0]).toBeCloseTo(1, 12);
});

test('a norm above the limit is scaled down to it, one below is left alone', () => {
  const gradient = { weight: [30, 0, 0, 0], bias: [0, 40], tokens: 10 };
  const average = (clip_grad_norm: number) =>
    firstUpdate(adamw({ ...plain, clip_grad_norm }), gradient)['optimizer.exp_avg.weight'][0];
  // The mean gradient is 3 with norm 5; its first average is a tenth.
  expect(average(2.5)).toBeCloseTo(0.15, 6);
  expect(average(9)).toBeCloseTo(0.3, 12);
});

test('with an eps of zero, what has no gradient stays, and the rest moves as if nothing were added', () => {
  const { weight, bias } = firstUpdate(adamw(plain), { weight: [7, 0, -1e-12, 0], bias: [0, 1e-9], tokens: 1 });
  // The first update is lr against the sign of the gradient, whatever its size.
  [0.9, 2, 3.1, 4].forEach((expected, i) => expect(weight[i]).toBeCloseTo(expected, 12));
  [5, 5.9].forEach((expected, i) => expect(bias[i]).toBeCloseTo(expected, 12));
});

test('no root of an f32 changes when the eps of an update that has none is added', () => {
  const [added] = buildUpdate([{ name: 'weight', type: tensorType('f32', { n: 1 }) }], adamw(plain)).nodes.flatMap(
    ({ op, attributes }) => (op === 'adamw' ? [attributes.eps as number] : []),
  );
  expect(Math.fround(added)).toBe(added);
  expect(added).toBeGreaterThan(0);
  const words = new Uint32Array(1);
  const square = new Float32Array(words.buffer);
  fc.assert(
    // Every positive number, denormal ones too.
    fc.property(fc.integer({ min: 1, max: 0x7f7fffff }), (bits) => {
      words[0] = bits;
      const root = Math.fround(Math.sqrt(square[0]));
      expect(Math.fround(root + added)).toBe(root);
    }),
  );
});

test('weight decay leaves parameters of one dimension alone, unless told otherwise', () => {
  const none = { weight: [0, 0, 0, 0], bias: [0, 0], tokens: 1 };
  const decaying = { ...plain, weight_decay: 0.5, eps: 1e-8 };
  const matrices = firstUpdate(adamw(decaying), none);
  expect([[...matrices.weight], [...matrices.bias]]).toEqual([
    [0.95, 1.9, 2.8499999999999996, 3.8],
    [5, 6],
  ]);
  expect([...firstUpdate(adamw({ ...decaying, decay: 'all' }), none).bias]).toEqual([4.75, 5.699999999999999]);
});

test.each([
  ['NaN', { weight: [NaN, 1, 1, 1], bias: [1, 1], tokens: 4 }],
  ['infinity', { weight: [1, 1, 1, 1], bias: [1, -Infinity], tokens: 4 }],
  ['no real token', { weight: [0, 0, 0, 0], bias: [0, 0], tokens: 0 }],
])('a gradient of %s changes nothing and is reported', (_, gradient) => {
  const outputs = firstUpdate(adamw({ ...plain, clip_grad_norm: 1 }), gradient);
  expect(outputs.skipped[0]).toBe(1);
  expect([[...outputs.weight], [...outputs.bias]]).toEqual([
    [1, 2, 3, 4],
    [5, 6],
  ]);
  expect([...outputs['optimizer.exp_avg_sq.weight']]).toEqual([0, 0, 0, 0]);
});

test('options out of range are refused by name', () => {
  expect(() => adamw({ lr: 1e-3, beta2: 1 })).toThrow(/'beta2' must be/);
  expect(() => adamw({ lr: 1e-3, clip_grad_norm: 0 })).toThrow(/'clip_grad_norm' must be/);
});

test('updates that were left out count for the learning rate, and not for what the averages lack', () => {
  const optimizer = adamw({ lr: 0.1, schedule: 'cosine', warmup_steps: 2 });
  const { lr, ...corrections } = adamwScalars(optimizer, 7, 10, 3);
  expect(lr).toBe(adamwScalars(optimizer, 7, 10).lr);
  expect({ lr: 0, ...corrections }).toEqual({ ...adamwScalars(optimizer, 3, 10), lr: 0 });
});
