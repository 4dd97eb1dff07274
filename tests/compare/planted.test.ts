/**
 * Faults of kernels and plans, planted in the engine of one of two runs: that run trains with it, and the comparison names the step, the value
 * and the instruction. (What is given to runs is planted in `given.test.ts`.)
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareRuns, comparisonText, type OpenEngines } from '../../src/compare/index.js';
import { openEngines } from '../../src/compare/replay/engines.js';
import type { TrainOptions } from '../../src/config/schema.js';
import type { InstructionOf } from '../../src/program/kinds.js';
import type { Instruction, RankClass } from '../../src/program/program.js';
import { roundBf16 } from '../../src/ops/round.js';
import { alone } from '../../src/run/peers.js';
import { trainWith } from '../../src/launch/train.js';
import { trainEvents } from '../../src/train/events.js';
import { surroundings, Workplace } from '../training/tiny_run.js';
import { edited, FaultyEngine, unmoved, wrongKernel, type Fault } from './faults.js';

const work = new Workplace();
afterAll(() => work.remove());
const run = (name: string) => work.file('runs', name);
const gpt: TrainOptions = {
  steps: 1,
  model: { family: 'gpt', layers: 1, dim: 8, heads: 2, context: 8, dropout: 0.1 },
};
const mixtral: TrainOptions = {
  steps: 1,
  model: { family: 'mixtral', layers: 1, dim: 8, heads: 2, context: 8, hidden: 12, experts: 4, choices: 2 },
};
beforeAll(async () => {
  await work.train('gpt', gpt);
  await work.train('mixtral', mixtral);
});

/** Trains a run with a fault. */
async function trainWithFault(fault: Fault, options: TrainOptions): Promise<void> {
  const open = async () => ({ engine: new FaultyEngine(fault), peers: alone(), memoryBytes: () => null });
  const virtualRanks = () => ({ kind: 'reference', device: 'cpu', rank: null, open }) as const;
  await trainWith({ ...surroundings, virtualRanks }, options, { events: trainEvents() });
}

const tensor = { ranks: 2, plan: { tensor_parallel_size: 2 } } as const;
const data = { ranks: 2, plan: { data_parallel_size: 2 } } as const;
const context = { ranks: 2, plan: { context_parallel_size: 2 } } as const;

interface Planted {
  readonly name: string;
  readonly fault: Fault;
  /** Of the run that has it, beside what the other has. */
  readonly options?: TrainOptions;
  readonly model?: 'mixtral';
  /** What is told of the value: its name, the instruction's op and place, and the rank where only one has the fault. */
  readonly value: RegExp;
  readonly op: string;
  readonly rank?: number;
  /** As much as the serial step has. */
  readonly ratio?: number;
}

type Kernel = InstructionOf<'kernel'>;
const isOp =
  (op: string, phase: string) =>
  (instruction: Instruction): boolean =>
    instruction.kind === 'kernel' && instruction.op === op && instruction.source.phase === phase;
const writes = (instruction: Instruction, { values }: RankClass, name: RegExp): boolean => {
  const outputs =
    instruction.kind === 'kernel' ? instruction.outputs : 'output' in instruction ? [instruction.output] : [];
  return outputs.some(({ value }) => name.test(values[value].name));
};
const scaled = (by: number) => (block: Float64Array) => block.map((x) => by * x);

const faults: readonly Planted[] = [
  {
    name: 'an activation that is off by a thousandth',
    fault: wrongKernel('gelu', scaled(1.001)),
    value: /^blocks\.0\.mlp\/gelu%/,
    op: 'gelu, blocks.0.mlp (forward)',
    ratio: 1.001,
  },
  {
    name: 'a backward that gives half',
    fault: wrongKernel('softmax_cross_entropy_backward', scaled(0.5)),
    value: /^loss\/softmax_cross_entropy_backward'%/,
    op: 'softmax_cross_entropy_backward, loss (backward)',
    ratio: 0.5,
  },
  {
    name: 'a product in bf16',
    fault: wrongKernel('einsum_add', (block) => block.map(roundBf16)),
    value: /^blocks\.0\.attention\.qkv\/add%/,
    op: 'einsum_add, blocks.0.attention.qkv (forward)',
  },
  {
    name: 'one number of a norm',
    fault: wrongKernel('layer_norm', (block) => block.map((x, i) => (i === 5 ? x + 1e-3 : x))),
    value: /^blocks\.0\.norm1\/layer_norm\.y%/,
    op: 'layer_norm, blocks.0.norm1 (forward)',
  },
  {
    name: 'a row of the embedding beside the one that is meant',
    fault: wrongKernel('gather', (block) => Float64Array.from([...block.subarray(8), ...block.subarray(0, 8)])),
    value: /^embedding\/gather%/,
    op: 'gather, embedding (forward)',
  },
  {
    name: 'an update that decays nothing',
    fault: wrongKernel('adamw', (block, { inputs }) => block.map((x, i) => x + 1e-3 * inputs[0][i])),
    value: /./,
    op: 'adamw, bucket.0 (update)',
  },
  {
    name: 'tokens sent to another expert',
    model: 'mixtral',
    fault: wrongKernel('topk', (block) => block.map((choice) => (choice + 1) % 4)),
    value: /^blocks\.0\.experts\/topk%/,
    op: 'topk, blocks.0.experts (forward)',
  },
  {
    name: 'other scores, on one rank alone',
    options: tensor,
    fault: edited(
      isOp('attention', 'forward'),
      (instruction: Kernel) => [{ ...instruction, attributes: { ...instruction.attributes, scale: 1 } }],
      { rank: 1 },
    ),
    value: /^blocks\.0\.attention\/attention\.o%/,
    op: 'attention, blocks.0.attention (forward)',
    rank: 1,
  },
  {
    name: 'a backward that drops others than the forward',
    fault: edited(isOp('dropout_backward', 'backward'), (instruction: Kernel) => [
      { ...instruction, attributes: { ...instruction.attributes, stream: 77 } },
    ]),
    value: /dropout_backward'%/,
    op: 'dropout_backward, blocks.0.dropout (backward)',
  },
  {
    name: 'positions that every rank counts from 0',
    options: context,
    fault: edited(isOp('iota', 'forward'), (instruction: Kernel) => [
      { ...instruction, assignment: { ...instruction.assignment, splits: {} } },
    ]),
    value: /^\/iota%/,
    op: 'iota, model (forward)',
    rank: 1,
  },
  {
    name: 'an all-reduce that is missing',
    options: tensor,
    fault: edited(
      (instruction, rankClass) =>
        instruction.kind === 'collective' && writes(instruction, rankClass, /^blocks\.0\.mlp\.down\/einsum%\d+ \{\}$/),
      unmoved,
    ),
    value: /^blocks\.0\.mlp\.down\/einsum%\d+ \{\}$/,
    op: 'pack of all_reduce, blocks.0.mlp.down (forward)',
  },
  {
    name: 'a gradient that is counted twice',
    options: data,
    fault: edited(
      (instruction, rankClass) =>
        instruction.kind === 'kernel' &&
        instruction.outputs[0].access === 'accumulate' &&
        writes(instruction, rankClass, /^sum gradient\.blocks\.0\.mlp\.up\.bias$/),
      (instruction: Kernel) => [instruction, instruction],
    ),
    value: /^sum gradient\.blocks\.0\.mlp\.up\.bias$/,
    op: 'einsum, blocks.0.mlp.up (backward)',
  },
  {
    name: 'microbatches that are lost',
    fault: edited(
      (instruction, rankClass) => writes(instruction, rankClass, /^sum gradient\.blocks\.0\.mlp\.down\.weight$/),
      (instruction: Kernel) => [
        { ...instruction, outputs: instruction.outputs.map((output) => ({ ...output, access: 'write' as const })) },
      ],
    ),
    value: /^sum gradient\.blocks\.0\.mlp\.down\.weight$/,
    op: 'einsum, blocks.0.mlp.down (backward)',
  },
  {
    name: 'gradients that no rank tells another',
    options: data,
    fault: edited(
      (instruction) => instruction.kind === 'collective' && /^bucket/.test(instruction.source.path),
      unmoved,
    ),
    value: /^update gradient\.bucket\.\d+ \{\}$/,
    op: 'pack of all_reduce, bucket.0 (update)',
  },
];

test.each(faults)('$name', async ({ name, fault, options, model = 'gpt', value, op, rank, ratio }) => {
  const faulty = name.replace(/\W+/g, '-');
  await trainWithFault(fault, work.options(faulty, { ...(model === 'gpt' ? gpt : mixtral), ...options }));
  const open: OpenEngines = async (path, config, program) => {
    if (path !== run(faulty)) return openEngines(path, config, program);
    const engine = new FaultyEngine(fault);
    return { engines: [engine], abort: () => {}, close: () => engine.close() };
  };
  const found = await compareRuns(run(model), run(faulty), { open });
  const text = comparisonText(found);
  expect(found.verdict, text).toBe('value');
  const [{ off, unlike, step }] = found.replays;
  expect({ step, unlike, run: off!.run, op: off!.op }, text).toEqual({ step: 1, unlike: [], run: 'B', op });
  expect(off!.name).toMatch(value);
  if (rank !== undefined) expect(off!.rank).toBe(rank);
  if (ratio !== undefined) expect(off!.found / off!.exact).toBeCloseTo(ratio, 5);
  if (name !== 'an all-reduce that is missing') return;
  // docs/compare.md shows it.
  const shown = text.replace(run(model), 'runs/a').replace(run(faulty), 'runs/b');
  await expect(`${shown}\n`).toMatchFileSnapshot('printed/missing_all_reduce.txt');
});
