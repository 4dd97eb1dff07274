/**
 * The library's forms of kernels against the plain ones, on calls that no op's case makes but steps do: results wider than their
 * operands, sums that go on, updates in place, ids outside.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dtypeBytes, type DType } from '../../ir/dtype.js';
import { loadAddon, type AddonEngine } from './bridge.js';
import type { KernelLaunch, LoadedView } from './loaded_program.js';
import { testDevice } from './testing/device.js';
import { readBytes } from './testing/ranks.js';
import { decode, encode, view } from './testing/views.js';

const arenaBytes = 1 << 20;
let engine: AddonEngine;
beforeAll(() => void (engine = loadAddon().open({ device: testDevice, threads: 1, arenaBytes })));
afterAll(() => engine?.close());

interface Call {
  readonly kernel: string;
  /** `bf16 2 3`; with `=1` the operand is the one at that place. */
  readonly operands: readonly string[];
  readonly reads: number;
  readonly attributes?: KernelLaunch['attributes'];
  /** Numbers of operands that are not drawn, by place. */
  readonly given?: Readonly<Record<number, readonly number[]>>;
}

const unary = (kernel: string, attributes = {}): Call => ({
  kernel,
  operands: ['bf16 9 7', 'f32 9 7'],
  reads: 1,
  attributes,
});
const binary = (kernel: string): Call => ({ kernel, operands: ['bf16 9 7', 'bf16 9 7', 'f32 9 7'], reads: 2 });
const adamwScalars = { 4: [0.1], 5: [0.5], 6: [1 - 0.9 ** 12], 7: [1 - 0.999 ** 12] };
const adamw = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 };
const ids = { 1: [3, 4, 9, 3, 5, 2] };

const calls: readonly Call[] = [
  ...['exp', 'cos', 'relu', 'square', 'silu', 'cast'].map((kernel) => unary(kernel)),
  unary('gelu', { exact: 1 }),
  unary('scale', { factor: 1 / 3 }),
  unary('add_scalar', { value: 1 / 3 }),
  unary('pow', { exponent: 2 }),
  ...['add', 'sub', 'mul', 'div', 'max', 'gelu_backward', 'silu_backward', 'swiglu'].map(binary),
  { kernel: 'add', operands: ['bf16 9 7', 'f32 9 7', 'bf16 9 7'], reads: 2 },
  { kernel: 'swiglu_backward', operands: ['bf16 9', 'bf16 9', 'bf16 9', 'f32 9', 'bf16 9'], reads: 3 },
  { kernel: 'sum', operands: ['bf16 3 40 5', 'f32 3 5'], reads: 1 },
  { kernel: 'sum', operands: ['bf16 3 40 5', 'f32 3 5'], reads: 1, attributes: { accumulate: 1 } },
  {
    kernel: 'sum',
    operands: ['f32 1 4096 1', 'bf16 1 1'],
    reads: 1,
    // Rounded to bf16 before they are added, these come to nothing.
    given: { 0: Array.from({ length: 4096 }, (_, i) => (i % 2 ? -1 : 1.003)) },
  },
  { kernel: 'sum_squares', operands: ['bf16 63', 'f32 1'], reads: 1, attributes: { accumulate: 1 } },
  { kernel: 'matmul', operands: ['f32 2 3 5', 'f32 2 5 4', 'f32 2 3 4'], reads: 2, attributes: { accumulate: 1 } },
  { kernel: 'matmul', operands: ['f32 2 3 5', 'f32 2 5 4', 'bf16 2 3 4'], reads: 2 },
  ...[1, 2].flatMap((b): Call[] =>
    [0, 1].map((accumulate) => ({
      kernel: 'matmul_bias',
      operands: [`f32 ${b} 3 5`, `f32 ${b} 5 4`, 'f32 4', `f32 ${b} 3 4`],
      reads: 3,
      attributes: { accumulate },
    })),
  ),
  {
    kernel: 'layer_norm',
    operands: ['bf16 9 7', 'f32 7', 'f32 7', 'bf16 9 7', 'f32 9', 'f32 9'],
    reads: 3,
    attributes: { eps: 0.1 },
  },
  {
    kernel: 'layer_norm_backward',
    operands: ['bf16 9 7', 'bf16 7', 'f32 9', 'f32 9', 'bf16 9 7', 'bf16 9 7', 'f32 7', 'f32 7'],
    reads: 5,
  },
  {
    kernel: 'softmax_cross_entropy',
    operands: ['bf16 6 4', 'i64 6', 'f32 6', 'f32 6'],
    reads: 2,
    given: ids,
    attributes: { origin: 2 },
  },
  {
    kernel: 'softmax_cross_entropy_backward',
    operands: ['bf16 6 4', 'i64 6', 'f32 6', 'f32 6', 'bf16 6 4'],
    reads: 4,
    given: ids,
    attributes: { origin: 2 },
  },
  {
    kernel: 'gather',
    operands: ['f32 1 4 5', 'i32 1 6 1', 'bf16 1 6 5'],
    reads: 2,
    given: ids,
    attributes: { origin: 2 },
  },
  ...['f32', 'bf16'].flatMap((table): Call[] =>
    [0, 1].map((accumulate) => ({
      kernel: 'scatter_add',
      operands: ['bf16 1 6 5', 'i32 1 6 1', `${table} 1 4 5`],
      reads: 2,
      given: ids,
      attributes: { origin: 2, accumulate },
    })),
  ),
  ...[
    { skip: 0, scalars: adamwScalars, betas: {} },
    { skip: 1, scalars: adamwScalars, betas: {} },
    { skip: 0, scalars: { ...adamwScalars, 6: [1], 7: [1] }, betas: { beta1: 0, beta2: 0 } },
  ].map(({ skip, scalars, betas }): Call => ({
    kernel: 'adamw_cast',
    operands: [
      ...['f32 9', 'bf16 9', 'f32 9', 'f32 9', 'f32 1', 'f32 1', 'f32 1', 'f32 1', 'f32 1'],
      ...['f32 9 =0', 'f32 9 =2', 'f32 9 =3', 'bf16 9'],
    ],
    reads: 9,
    given: { ...scalars, 8: [skip] },
    attributes: { ...adamw, ...betas },
  })),
];

// A rounding of the result; between f32 results, sums in another order.
const tolerance: Partial<Record<DType, number>> = { f32: 2e-6, bf16: 2 ** -7 };

test.each(
  calls.map((call) => [`${call.kernel}: ${call.operands.join(', ')} ${JSON.stringify(call.attributes ?? {})}`, call]),
)('the library computes %s', async (_, call) => {
  const [library, plain] = [await results(call as Call, 'library'), await results(call as Call, 'aten')];
  library.forEach(({ dtype, numbers }, i) =>
    numbers.forEach((number, k) => {
      const wanted = plain[i].numbers[k];
      expect(Math.abs(number - wanted)).toBeLessThanOrEqual(tolerance[dtype]! * Math.max(1, Math.abs(wanted)));
    }),
  );
});

/** What the call writes, by a form of its kernel. Every operand holds numbers before, written ones too. */
async function results(call: Call, form: 'library' | 'aten') {
  const views: LoadedView[] = [];
  let top = 0;
  for (const [i, text] of call.operands.entries()) {
    const [dtype, ...rest] = text.split(' ');
    const same = rest.find((word) => word.startsWith('='));
    const made = view(dtype as DType, top, ...rest.filter((word) => word !== same).map(Number));
    if (same) {
      views.push(views[Number(same.slice(1))]);
      continue;
    }
    views.push(made);
    const count = made.sizes.reduce((a, b) => a * b, 1);
    const drawn = Array.from({ length: count }, (_, k) => 0.6 + 0.5 * Math.sin(1 + i + 1.7 * k));
    const encoded = encode(dtype as DType, call.given?.[i] ?? drawn);
    await engine.write(top, encoded);
    top += Math.ceil((count * dtypeBytes[dtype as DType]) / 64) * 64;
  }
  const launch: KernelLaunch = {
    kind: 'kernel',
    kernel: call.kernel,
    operands: views,
    reads: call.reads,
    scratch: null,
    attributes: { ...call.attributes, [form]: 1 },
    at: 'test',
  };
  await (await engine.load({ groups: [], launches: [launch] })).run();
  const written = async ({ dtype, offset, sizes }: LoadedView) => {
    const bytes = await readBytes(engine, offset, sizes.reduce((a, b) => a * b, 1) * dtypeBytes[dtype]);
    return { dtype, numbers: decode(dtype, bytes) };
  };
  return Promise.all(views.slice(call.reads).map(written));
}
