/** The worked examples of the passes: what each makes is what it was given, by means that know nothing of the pass. */
import { describe, expect, test } from 'vitest';
import { execute, gatherValues, loadClasses, scatterValues } from '../src/engine/reference/index.js';
import type { Graph } from '../src/ir/graph.js';
import { coordinatesOf } from '../src/ir/mesh.js';
import { elementsOf } from '../src/ir/type.js';
import { evaluate, referenceKernels } from '../src/ops/evaluate.js';
import { ops } from '../src/ops/index.js';
import { bucketsExample } from '../src/partition/buckets.example.js';
import { checkPlacement } from '../src/partition/check.js';
import { fuseEinsumAddExample } from '../src/partition/fuse_einsum_add.example.js';
import { heldBy } from '../src/partition/packing.js';
import { partitionExamples } from '../src/partition/partition.example.js';
import type { PlacedGraph } from '../src/partition/placed.js';
import { recomputeExample } from '../src/partition/recompute.example.js';
import { autodiffExample, sumOfContributions } from '../src/passes/autodiff.example.js';
import { castByGroupExample } from '../src/passes/cast_by_group.example.js';
import { eliminateDeadCodeExample } from '../src/passes/eliminate_dead_code.example.js';
import { precisionExample, wideSoftmax } from '../src/passes/precision.example.js';
import { splitBackwardExample } from '../src/passes/split_backward.example.js';
import { splitSumsExample } from '../src/passes/split_sums.example.js';
import { traceExample } from '../src/passes/trace.example.js';
import { meshesOf } from '../src/plan/plan.js';
import { assignMemoryExample, memoryAcrossLanes } from '../src/compile/assign_memory.example.js';
import { foldExample } from '../src/lower/fold.example.js';
import { hoistExample } from '../src/lower/hoist.example.js';
import { lowerExample } from '../src/lower/lower.example.js';
import type { Program } from '../src/program/program.js';
import { unfold } from '../src/program/unroll.js';
import { verifyProgram } from '../src/verify/index.js';
import { firstDeparture, gatherPlaced, runPlaced } from './scenarios/placed_executor.js';
import { defaultElement, differences, differentBits, uniform, type Values } from './scenarios/scenario.js';

const kernels = referenceKernels(ops);

describe('graph to graph', () => {
  test('trace: the loss of the traced model is that of its formula', () => {
    const graph = traceExample.run(traceExample.given());
    const [tokens, labels] = [
      [4, 0, 2],
      [0, 3, -1],
    ];
    const given: Values = { ...inputsOf(graph), tokens: Float64Array.from(tokens), labels: Float64Array.from(labels) };
    const logits = (token: number) =>
      [0, 1, 2, 3, 4].map((word) =>
        [0, 1].reduce(
          (sum, i) => sum + given['embedding.weight'][2 * token + i] * given['head.weight'][2 * word + i],
          0,
        ),
      );
    const loss = (token: number, label: number) =>
      Math.log(logits(token).reduce((sum, x) => sum + Math.exp(x), 0)) - logits(token)[label];
    const { outputs } = evaluate(graph, given);
    expect(outputs.loss_sum[0]).toBeCloseTo(loss(4, 0) + loss(0, 3), 5);
    expect([...outputs.tokens]).toEqual([2]);
  });

  test.each([autodiffExample, sumOfContributions])('autodiff: $title: as by finite differences', (example) => {
    const graph = example.run(example.given());
    const given = inputsOf(graph);
    const gradient = evaluate(graph, given).outputs['gradient.w'];
    const lossAt = (k: number, step: number) => {
      const w = given.w.map((x, i) => (i === k ? x + step : x));
      return evaluate(example.given(), { ...given, w }).outputs.loss_sum[0];
    };
    const slopes = gradient.map((_, k) => (lossAt(k, 1e-5) - lossAt(k, -1e-5)) / 2e-5);
    expect(differences({ gradient: slopes }, { gradient }, 1e-8)).toEqual([]);
  });

  test('eliminate_dead_code: fewer nodes, each of them needed, and the same bits', () => {
    const before = eliminateDeadCodeExample.given();
    const after = eliminateDeadCodeExample.run(before);
    const given = inputsOf(before);
    expect(after.nodes.length).toBeLessThan(before.nodes.length);
    const read = new Set([...after.nodes.flatMap((node) => node.inputs), ...after.outputs.map(({ value }) => value)]);
    expect(after.nodes.filter((node) => !node.outputs.some((id) => read.has(id)))).toEqual([]);
    expect(differentBits(evaluate(before, given).outputs, evaluate(after, given).outputs)).toBeNull();
  });

  test.each([precisionExample, wideSoftmax])(
    'precision: $title: the same but for bf16, and in the same type',
    (example) => {
      const before = example.given();
      const after = example.run(before);
      const given = inputsOf(before);
      const [wide, narrow] = [evaluate(before, given).outputs, evaluate(after, given).outputs];
      // bf16 has eight bits of significand.
      expect(differences(wide, narrow, 1 / 128)).toEqual([]);
      expect(differentBits(wide, narrow)).not.toBeNull();
      const types = (graph: Graph) => graph.outputs.map(({ value }) => graph.values[value].type);
      expect(types(after)).toEqual(types(before));
    },
  );

  test('cast_by_group: the same values, every cast read by one group', () => {
    const before = castByGroupExample.given();
    const after = castByGroupExample.run(before);
    const given = { ...inputsOf(before), tokens: Float64Array.of(4, 1) };
    expect(differentBits(evaluate(before, given).outputs, evaluate(after, given).outputs)).toBeNull();
    for (const { outputs, op, source } of after.nodes) {
      if (op !== 'cast') continue;
      const readers = after.nodes.filter((node) => node.inputs.includes(outputs[0]));
      expect(readers.map((node) => node.source.segment)).toEqual([source.segment]);
    }
  });

  test('split_sums: the parts add up to the sum', () => {
    const before = splitSumsExample.given();
    const given = { ...inputsOf(before), tokens: Float64Array.of(4, 1) };
    const sum = evaluate(before, given).outputs['gradient.table'];
    const parts = Object.values(evaluate(splitSumsExample.run(before), given).outputs);
    expect(parts).toHaveLength(2);
    expect([...sum]).toEqual([...sum].map((_, i) => Math.fround(parts[0][i] + parts[1][i])));
  });

  test('split_backward: the same bits, and nobody waits for what is of weights', () => {
    const before = splitBackwardExample.given();
    const after = splitBackwardExample.run(before);
    const given = inputsOf(before);
    expect(differentBits(evaluate(before, given).outputs, evaluate(after, given).outputs)).toBeNull();
    const weights = after.nodes.filter(({ source }) => source.phase === 'weight');
    expect(weights).toHaveLength(2);
    const read = new Set(after.nodes.flatMap(({ inputs, source }) => (source.phase === 'weight' ? [] : inputs)));
    expect(weights.filter(({ outputs }) => outputs.some((id) => read.has(id)))).toEqual([]);
  });
});

describe('placed graphs', () => {
  test.each(partitionExamples)('partition: $title: accepted by the placement checker', (example) => {
    expect(checkPlacement(example.run(example.given()))).toEqual([]);
  });

  const small = partitionExamples.filter((example) => elementsIn(example.given().graph) < 1e4);
  test.each(small)('partition: $title: every value on the ranks is that of one device', (example) => {
    const placed = example.run(example.given());
    expect(firstDeparture(runPlaced(placed, inputsOf(example.given().graph), kernels), 1e-6)).toBeNull();
  });

  test.each([fuseEinsumAddExample, recomputeExample, hoistExample])(
    '$pass: every rank ends with the same values as before',
    (example) => {
      const [before, after] = [example.given(), example.run(example.given())];
      expect(checkPlacement(after)).toEqual([]);
      expect(after.outputs.map(({ name }) => name)).toEqual(before.outputs.map(({ name }) => name));
      expect(differences(outputsOf(before), outputsOf(after), 1e-6)).toEqual([]);
    },
  );
});

test('buckets: every element of every parameter lies in one bucket, and in one rank’s part of the optimizer’s state', () => {
  const given = bucketsExample.given();
  const buckets = bucketsExample.run(given);
  const [mesh] = meshesOf(given.plan);
  const held = buckets.flatMap(({ members, state }) =>
    [0, 1].flatMap((rank) =>
      heldBy(mesh, members, state, coordinatesOf(mesh, rank)).map((part) => ({ ...part, rank })),
    ),
  );
  const count = (fits: (part: (typeof held)[number]) => boolean) =>
    held.filter(fits).reduce((sum, { elements }) => sum + elements, 0);
  for (const { name, kind, value } of given.graph.inputs) {
    if (kind === 'parameter')
      expect(count((part) => part.name === name)).toBe(elementsOf(given.graph.values[value].type));
  }
  expect([count(({ rank }) => rank === 0), count(({ rank }) => rank === 1)]).toEqual([20, 16]);
  expect(held.filter(({ name }) => name === 'down').map(({ elements }) => elements)).toEqual([16, 4]);
});

describe('programs', () => {
  test('lower: the verifier accepts the program, and two ranks do what one device does', () => {
    const program = lowerExample.run(lowerExample.given());
    const x = microbatches('x', 16);
    const dy = microbatches('dy', 16);
    const w = elements('w', 16);
    const gradient = (m: number, i: number, j: number) =>
      [0, 1, 2, 3].reduce((sum, row) => sum + x[m][4 * row + i] * dy[m][4 * row + j], 0);
    const updated = w.map((value, k) => value - gradient(0, k >> 2, k & 3) - gradient(1, k >> 2, k & 3));
    expect(verifyProgram(program, program.placed, ops)).toEqual([]);
    expect(differences({ w: updated }, runProgram(program, { x, dy, w }), 1e-6)).toEqual([]);
  });

  test('assign_memory: the verifier accepts the addresses, and nothing is overwritten too early', () => {
    const program = assignMemoryExample.run(assignMemoryExample.given());
    const x = elements('x', 16);
    expect(verifyProgram(program, program.placed, ops)).toEqual([]);
    expect(program.classes[0].arenaBytes).toBe(128);
    const y = x.map((value) => -Math.tanh(Math.exp(value)));
    expect(differences({ y }, runProgram(program, { x: [x] }), 1e-6)).toEqual([]);
  });

  test('assign_memory: bytes that another lane may still read are given to nobody, or the verifier refuses', () => {
    const program = memoryAcrossLanes.run(memoryAcrossLanes.given());
    expect(verifyProgram(program, program.placed, ops)).toEqual([]);
    const [only] = program.classes;
    const valueOf = (op: string) => only.values.findIndex(({ name }) => new RegExp(`/${op}%\\d+$`).test(name));
    const schedule = only.schedule.map((step) => ({
      ...step,
      offsets: { ...step.offsets, [valueOf('tanh')]: step.offsets[valueOf('exp')] },
    }));
    const said = verifyProgram({ ...program, classes: [{ ...only, schedule }] }, program.placed, ops).map(
      ({ message }) => message,
    );
    expect(said.join('\n')).toMatch(/tanh.* overwrites .*exp.* without waiting for lane 'group:tensor'/);
  });

  test('fold: written out again, the loop is the text that it was made of', () => {
    const before = foldExample.given();
    const after = foldExample.run(before);
    expect(after.classes[0].templates[0].body.length).toBeLessThan(before.classes[0].templates[0].body.length);
    expect(unfold(after)).toEqual(before);
    expect(verifyProgram(after, after.placed, ops)).toEqual([]);
  });
});

const elements = (name: string, count: number, microbatch = 0): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => 2 * uniform(`${name} ${i} ${microbatch}`) - 1);

const microbatches = (name: string, count: number): readonly Float64Array[] =>
  [0, 1].map((microbatch) => elements(name, count, microbatch));

function inputsOf({ inputs, values }: Graph): Values {
  return Object.fromEntries(
    inputs.map((input) => {
      const { type } = values[input.value];
      const element = (i: number) => defaultElement(input, type.dtype, i, 0);
      return [input.name, Float64Array.from({ length: elementsOf(type) }, (_, i) => element(i))];
    }),
  );
}

const elementsIn = ({ values }: Graph): number => values.reduce((sum, { type }) => sum + elementsOf(type), 0);

/** What a run on all ranks leaves, put together. */
function outputsOf(placed: PlacedGraph): Values {
  const given = Object.fromEntries(
    placed.inputs.map(({ name, value }) => [name, elements(name, elementsOf(placed.values[value].type))]),
  );
  const run = runPlaced(placed, given, kernels);
  return Object.fromEntries(placed.outputs.map(({ name, value }) => [name, gatherPlaced(run, value)]));
}

function runProgram(
  program: Program,
  inputs: Readonly<Record<string, Float64Array | readonly Float64Array[]>>,
): Values {
  const loaded = loadClasses(program);
  const { fault, deadlock, values } = execute(program, { kernels, loaded, inputs: scatterValues(program, inputs) });
  expect(fault ?? deadlock ?? null).toBeNull();
  return gatherValues(program, values);
}
