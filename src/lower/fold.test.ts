import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mlp } from '../../tests/scenarios/mlp.js';
import { languageModel } from '../../tests/scenarios/language_model.js';
import { buildScenario, type ScenarioOptions } from '../../tests/scenarios/scenario.js';
import { GPT, Llama } from '../nn/models/index.js';
import type { ZeroStage } from '../plan/plan.js';
import { fold } from './fold.js';
import type { Instruction, KernelInstruction, Loop, Template } from '../program/program.js';
import { instructionsOf } from '../program/unroll.js';

const written = (body: readonly (Instruction | Loop)[]): readonly Instruction[] =>
  instructionsOf({ name: 'forward', chunk: 0, body });

const length = ({ body }: Pick<Template, 'body'>): number =>
  body.reduce((sum, entry) => sum + (entry.kind === 'for' ? entry.body.length : 1), 0);

const source = (layer: number, part = 'mlp') =>
  ({ path: `blocks.${layer}.${part}`, phase: 'forward', segment: `blocks.${layer}` }) as const;

const rule = { factors: {}, operands: [], results: [], reductions: [], linear: [], letters: {}, origins: [] };

function kernel(
  op: string,
  layer: number,
  reads: readonly number[],
  writes: number,
  stream?: number,
): KernelInstruction {
  return {
    kind: 'kernel',
    op,
    rule,
    assignment: { splits: {}, through: {} },
    attributes: stream === undefined ? {} : { rate: 0.5, stream },
    inputs: reads.map((value) => ({ value, access: 'read' })),
    outputs: [{ value: writes, access: 'write' }],
    kernel: { device: 'reference', id: op },
    scratch: null,
    lane: 'compute',
    source: source(layer),
  };
}

const signal = (event: string, layer: number): Instruction => ({
  kind: 'signal',
  each: false,
  event,
  lane: 'compute',
  source: source(layer),
});

test('equal layers become one loop; what is unlike stays beside it', () => {
  const layers = Array.from({ length: 5 }, (_, l) => [
    kernel('up', l, [10 + 3 * l, 2 + l], 11 + 3 * l),
    kernel('gelu', l, [11 + 3 * l], 12 + 3 * l),
    signal(`done blocks.${l}.gelu%${12 + 3 * l}`, l),
    kernel('down', l, [12 + 3 * l], 13 + 3 * l),
  ]).flat();
  const body = [kernel('gather', 0, [0, 1], 10), ...layers, kernel('norm', 4, [25], 26)];
  const folded = fold(body);
  expect(folded.map(({ kind }) => kind)).toEqual(['kernel', 'for', 'kernel']);
  const [, loop] = folded as [Instruction, Loop, Instruction];
  expect(loop.times).toBe(5);
  expect(loop.body[0].strides).toEqual({ operands: [3, 1, 3], path: [1], segment: [1] });
  expect(loop.body[2].strides).toEqual({ path: [1], segment: [1], event: [1, 3] });
  expect(written(folded)).toEqual(body);
});

test('a backward counts layers down', () => {
  const body = Array.from({ length: 4 }, (_, i) => [
    kernel('dx', 3 - i, [9 - i, 20 + i], 21 + i),
    kernel('dw', 3 - i, [9 - i, 21 + i], 40 - i),
  ]).flat();
  const [loop, ...rest] = fold(body) as [Loop];
  expect(rest).toEqual([]);
  expect(loop.body[1].strides).toEqual({ operands: [-1, 1, -1], path: [-1], segment: [-1] });
  expect(written([loop])).toEqual(body);
});

test('streams of randomness are a column, whatever their numbers', () => {
  const streams = [7, 1_000_003, 12, 0.5, -0];
  const body = streams.flatMap((stream, l) => [kernel('dropout', l, [l], l + 1, stream), signal(`e${l}`, l)]);
  const [loop, ...rest] = fold(body) as [Loop];
  expect(rest).toEqual([]);
  expect(loop.body[0].strides.attributes).toEqual({ stream: streams });
  expect(written([loop])).toEqual(body);
});

test('a first and a last layer that differ stay outside', () => {
  const layer = (l: number, extra: boolean) => [
    kernel('up', l, [l], l + 1),
    ...(extra ? [kernel('mask', l, [99], 98)] : []),
    kernel('gelu', l, [l + 1], 50 + l),
    kernel('down', l, [50 + l], 70 + l),
  ];
  const body = Array.from({ length: 6 }, (_, l) => layer(l, l === 0 || l === 5)).flat();
  const folded = fold(body);
  expect(folded.filter(({ kind }) => kind === 'for')).toHaveLength(1);
  // up, mask; a loop of gelu, down, up; mask, gelu, down: the loop begins within the first layer.
  expect(length({ body: folded })).toBe(8);
  expect(written(folded)).toEqual(body);
});

test('numbers that are not written as numbers are text', () => {
  const body = ['e007', 'e008', 'e12345678901234567', 'e0', 'e10'].map((event) => signal(event, 0));
  expect(written(fold(body))).toEqual(body);
});

describe('random texts', () => {
  const line = fc.record({
    op: fc.constantFrom<string>('a', 'b', 'c', 'd'),
    reads: fc.array(fc.record({ first: fc.nat(50), stride: fc.integer({ min: -2, max: 5 }) }), { maxLength: 3 }),
    writes: fc.record({ first: fc.integer({ min: 50, max: 99 }), stride: fc.integer({ min: -2, max: 5 }) }),
    event: fc.option(fc.record({ first: fc.integer({ min: 40, max: 60 }), stride: fc.integer({ min: -2, max: 5 }) })),
    streams: fc.boolean(),
  });
  const block = fc.record({
    lines: fc.array(line, { minLength: 1, maxLength: 6 }),
    times: fc.integer({ min: 1, max: 7 }),
  });

  const textOf = (blocks: readonly (typeof block extends fc.Arbitrary<infer B> ? B : never)[]): Instruction[] =>
    blocks.flatMap(({ lines, times }) =>
      Array.from({ length: times }, (_, i) =>
        lines.map(({ op, reads, writes, event, streams }): Instruction => {
          const at = ({ first, stride }: { first: number; stride: number }) => first + i * stride;
          if (event) return signal(`done ${op}.${at(event)}`, i);
          return kernel(op, i, reads.map(at), at(writes), streams ? (7 * i * i) % 5 : undefined);
        }),
      ).flat(),
    );

  test('written out, a folded text is the text', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 5 }), (blocks) => {
        const body = textOf(blocks);
        const folded = fold(body);
        expect(written(folded)).toEqual(body);
        expect(fold(body)).toEqual(folded);
        expect(length({ body: folded })).toBeLessThanOrEqual(body.length);
      }),
      { numRuns: 300 },
    );
  });

  test('a planted repeat is found', () => {
    const planted = fc.record({
      before: fc.array(line, { maxLength: 3 }),
      lines: fc.array(line, { minLength: 3, maxLength: 6 }),
      times: fc.integer({ min: 3, max: 7 }),
      after: fc.array(line, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(planted, ({ before, lines, times, after }) => {
        const once = (some: typeof lines) => ({ lines: some, times: 1 });
        const unlike = lines.map((one, k) => ({ ...one, op: `${one.op}${'abcdef'[k]}` }));
        const body = textOf([once(before), { lines: unlike, times }, once(after)]);
        expect(length({ body: fold(body) })).toBeLessThanOrEqual(before.length + lines.length + after.length);
      }),
      { numRuns: 300 },
    );
  });
});

describe('programs', () => {
  const split = { batch: ['data'], hidden: ['tensor'], heads: ['tensor'], vocab: ['tensor'] };
  const gpt = (layers: number, { dropout = 0, hidden = 16 } = {}) =>
    languageModel(new GPT({ layers, dim: 4, heads: 2, hidden, context: 3, vocab: 6, dropout }), {
      batch: 2,
      sequence: 3,
    });
  // Of sizes at which neither number of layers leaves a bucket without padding.
  const zero = (stage: ZeroStage) => (layers: number) => ({
    ...gpt(layers, { hidden: 5 }),
    mesh: { data: 2 },
    split,
    microbatches: 2,
    zero: { stage, axes: ['data'] },
  });
  const llama = (layers: number) =>
    languageModel(new Llama({ layers, dim: 4, heads: 2, hidden: 6, context: 3, vocab: 6 }), { batch: 2, sequence: 3 });
  const groups = (layers: number) => [
    {
      segments: ['embedding', ...Array.from({ length: layers }, (_, l) => `blocks.${l}`)],
      mesh: { data: 1, tensor: 2 },
    },
    {
      segments: [...Array.from({ length: layers }, (_, l) => `blocks.${layers + l}`), 'head'],
      mesh: { data: 2, tensor: 1 },
    },
  ];
  const cases: readonly (readonly [string, (layers: number) => ScenarioOptions])[] = [
    ['mlp on one device', (layers) => ({ ...mlp({ batch: 4, dim: 3, hidden: 4, layers, update: 'adamw' }) })],
    ['gpt with dropout', (layers) => ({ ...gpt(layers, { dropout: 0.1 }) })],
    ['gpt, data × tensor', (layers) => ({ ...gpt(layers), mesh: { data: 2, tensor: 2 }, split, microbatches: 3 })],
    ['llama, tensor', (layers) => ({ ...llama(layers), mesh: { tensor: 2 }, split })],
    ['gpt, ZeRO-1', zero(1)],
    ['gpt, ZeRO-2', zero(2)],
    ['gpt, ZeRO-3', zero(3)],
    [
      'gpt, two groups of unlike meshes, 1F1B',
      (layers) => ({ ...gpt(2 * layers), groups: groups(layers), split, microbatches: 3, schedule: '1f1b' }),
    ],
  ];
  const build = (options: ScenarioOptions) =>
    buildScenario({ ...options, memory: { moves: 0, searchNodes: 0 } }).program.classes;

  test.each(cases)(
    '%s: written out it folds to the same text again, which does not grow with layers',
    (_name, options) => {
      const few = build(options(4));
      for (const template of few.flatMap(({ templates }) => templates)) {
        const body = instructionsOf(template);
        expect(fold(body)).toEqual(template.body);
        expect(written(fold(body))).toEqual(body);
      }
      const lengths = (classes: typeof few) => classes.map(({ templates }) => templates.map(length));
      expect(lengths(build(options(6)))).toEqual(lengths(few));
    },
  );
});
