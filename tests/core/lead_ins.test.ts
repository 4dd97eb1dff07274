/**
 * Lead-ins of ZeRO-3: what a slot gathers first runs under the end of what its group runs before. Only the first gathers of a step are
 * waited for, whatever the schedule, and no more weights are there at once than within a slot.
 */
import { describe, expect, test } from 'vitest';
import { GPT, Llama } from '../../src/nn/models/index.js';
import { pipelineOf } from '../../src/plan/plan.js';
import { defaultVirtualStages, scheduleKind } from '../../src/schedule/kinds.js';
import { slotsOf } from '../../src/schedule/slot.js';
import { tableOf } from '../../src/plan/plan_schedule.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { gatheredWeights, mostReadersAlive } from '../scenarios/gathers.js';
import { languageModel } from '../scenarios/language_model.js';
import { mlp } from '../scenarios/mlp.js';
import { exposedSeconds } from '../scenarios/overlap.js';
import { pipelineUnder } from '../scenarios/pipelines.js';
import { buildScenario, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { whim } from '../scenarios/whim.js';
import { expectEqualsSerial } from './equals_serial.js';

const perceptron = (layers: number) => {
  const segments = Array.from({ length: layers }, (_, i) => `layers.${i}`);
  return { graphs: mlp({ batch: 4, dim: 3, hidden: 4, layers, segments: 'layers', update: 'adamw' }), segments };
};

/** Slots that switch have weights of both. */
const streamsOf = ({ plan }: Scenario): number =>
  Math.max(
    ...tableOf(plan)
      .flat()
      .map((entry) => slotsOf(entry).length),
  );

describe('by the clock, of ranks of one class', () => {
  // Sizes that divide, so that all ranks are of one class.
  const even = new Llama({ layers: 3, dim: 16, heads: 2, hidden: 32, context: 4, vocab: 16 });
  const gather = 0.25;
  /** Seconds by which a step is longer than its work, if gathers of weights take a quarter of a segment, and nothing else does. */
  const exposed = (options: Partial<ScenarioOptions>, prefetch: number) =>
    exposedSeconds(
      buildScenario({
        ...languageModel(even, { batch: 4, sequence: 4 }),
        mesh: { data: 2 },
        split: { batch: ['data'] },
        ...options,
        zero: { stage: 3, axes: ['data'], ...options.zero, prefetch },
      }),
      ({ instruction }) => (instruction.kind === 'collective' && instruction.move.kind === 'all_gather' ? gather : 0),
    );

  test.each([1, 2].flatMap((prefetch) => [1, 4].map((microbatches) => [prefetch, microbatches] as const)))(
    'prefetch %i, %i microbatches: the first gather of the step alone',
    (prefetch, microbatches) => {
      expect(exposed({ microbatches }, prefetch)).toBe(gather);
    },
  );

  test('prefetch 0: those of every segment in each direction', () => {
    // Five segments forward and four backward, since the embedding's reads no weight; the head's loss goes before what it reads.
    expect(exposed({ microbatches: 2 }, 0)).toBe(2 * (5 + 3) * gather);
  });

  test('two shards of each of two replicas', () => {
    const mesh = { replica: 2, shard: 2 };
    const options = { mesh, split: { batch: ['replica', 'shard'] }, microbatches: 2 };
    expect(exposed({ ...options, zero: { stage: 3, axes: ['shard'] } }, 1)).toBe(gather);
  });

  test('several chunks on one group, in the order of a table', () => {
    const [a, b] = [
      ['embedding', 'blocks.0'],
      ['blocks.1', 'blocks.2', 'head'],
    ];
    const pipeline = {
      groups: { all: { mesh: { data: 2 } } },
      chunks: [a, b].map((segments) => ({ segments, on: 'all' })),
    };
    const table = ['0F0 0F1 1F0 1B0 1F1 0B0 1B1 0B1'];
    expect(exposed({ mesh: undefined, pipeline, schedule: 'table', table, microbatches: 2 }, 1)).toBe(gather);
  });
});

describe('whatever the schedule: only the first segment of a step waits for what has just been asked for', () => {
  const schedules = ['gpipe', '1f1b', 'interleaved', 'zb-h1', 'zb-v', 'dualpipe-v'];
  const cases = schedules.flatMap((schedule) => [1, 2].map((prefetch) => [schedule, prefetch] as const));

  test.each(cases)('%s, prefetch %i', (schedule, prefetch) => {
    const { graphs, segments } = perceptron(4 * defaultVirtualStages(scheduleKind(schedule)));
    const scenario = expectEqualsSerial({
      ...graphs,
      pipeline: pipelineUnder(schedule, [{ data: 2 }, { data: 2 }], segments),
      split: { batch: ['data'] },
      microbatches: 4,
      schedule,
      zero: { stage: 3, axes: ['data'], prefetch },
    });
    for (const rankClass of scenario.program.classes) {
      const list = gatheredWeights(rankClass);
      const [{ reader: first }] = list;
      expect(list.filter(({ under, reader }) => under === 0 && reader !== first)).toEqual([]);
      expect(mostReadersAlive(rankClass)).toBeLessThanOrEqual(streamsOf(scenario) * (prefetch + 1));
    }
  });
});

describe('slots of fewer segments than are gathered ahead', () => {
  test.each([1, 2, 3])('one a slot, prefetch %i', (prefetch) => {
    const { graphs, segments } = perceptron(2);
    const scenario = expectEqualsSerial({
      ...graphs,
      pipeline: pipelineUnder('gpipe', [{ data: 2 }, { data: 2 }], segments),
      split: { batch: ['data'] },
      microbatches: 4,
      zero: { stage: 3, axes: ['data'], prefetch },
    });
    for (const rankClass of scenario.program.classes) {
      expect(mostReadersAlive(rankClass)).toBe(prefetch + 1);
      const waits = gatheredWeights(rankClass).filter(({ under }) => under === 0);
      expect(new Set(waits.map(({ reader }) => reader)).size).toBe(1);
    }
  });
});

test.each(['full', 'mixed'] as const)(
  'a tied weight, %s precision: what is cast is there for its lead-in',
  (precision) => {
    const model = new GPT({ layers: 2, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 });
    const options: ScenarioOptions = {
      ...languageModel(model, { batch: 4, sequence: 3 }),
      pipeline: pipelineOf([
        { segments: ['embedding', 'blocks.0'], mesh: { data: 2 } },
        { segments: ['blocks.1', 'head'], mesh: { data: 2 } },
      ]),
      split: { batch: ['data'] },
      schedule: '1f1b',
      microbatches: 3,
      zero: { stage: 3, axes: ['data'] },
    };
    const { program } =
      precision === 'full' ? expectEqualsSerial(options) : expectEqualsSerial(inMixedPrecision(options), rounded);
    for (const rankClass of program.classes) expect(mostReadersAlive(rankClass)).toBe(2);
  },
);

test('what a backward gathers of weights that the step has there already waits for the forward that gathers these', () => {
  const model = new GPT({ layers: 1, dim: 4, heads: 2, hidden: 3, context: 3, vocab: 5 });
  const { program } = expectEqualsSerial({
    ...languageModel(model, { batch: 2, sequence: 3 }),
    pipeline: pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { data: 2, tensor: 2 } },
      { segments: ['head'], mesh: { data: 2, tensor: 2 } },
    ]),
    split: { batch: ['data'], vocab: ['tensor'], heads: ['tensor'], hidden: ['tensor'] },
    scopes: [{ of: '*', made: 'reshard', keep: 'segment and direction', ops: 'all' }],
    zero: { stage: 3, axes: ['data'], reshard_after_forward: false, prefetch: 1 },
    // Prices by which ops of the backward read some weights whole, and none of the forward do.
    costs: whim(6),
  });
  const [{ schedule }] = program.classes;
  const launches = schedule.flatMap((one) => ('template' in one ? [one.template] : []));
  expect(launches.indexOf('lead-in backward.first')).toBeGreaterThan(launches.indexOf('forward.first'));
});

test('without prefetch there are none, and slots are whole', () => {
  const { graphs } = perceptron(3);
  const { program } = buildScenario({
    ...graphs,
    mesh: { data: 2 },
    split: { batch: ['data'] },
    microbatches: 3,
    zero: { stage: 3, axes: ['data'], prefetch: 0 },
  });
  expect(program.classes[0].templates.map(({ name }) => name)).toEqual([
    'forward.first',
    'forward',
    'backward.first',
    'backward',
    'backward.last',
  ]);
});
