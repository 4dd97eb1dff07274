/**
 * Parallel equals serial where any two settings of a plan meet: whole programs on virtual ranks, few enough to run all in every run.
 * `parallel_equals_serial.test.ts` draws what lies between.
 */
import { describe, expect, test } from 'vitest';
import { scheduleKind, scheduleKinds } from '../../src/schedule/kinds.js';
import { contextMethods } from '../../src/plan/context_methods.js';
import { zeroStages, type Plan } from '../../src/plan/plan.js';
import { trainingScenario, type MeshDraw, type TrainingDraw } from '../arbitraries/training.js';
import { buildScenario } from '../scenarios/scenario.js';
import { coverageText, coveringRows, missingPairs, type Row } from './covering_pairs.js';
import { drawnPrecision } from './laws.js';
import { describePlan, exact, programFault, rounded } from './parallel_equals_serial.js';

const settings = {
  data: [1, 2, 'replicas of shards'],
  context: [1, 2, 4],
  method: contextMethods,
  tensor: [1, 2],
  sequence: ['whole over tensor', 'split over tensor'],
  pipeline: [1, 2],
  zero: zeroStages,
  schedule: [...scheduleKinds.keys(), 'table'],
  precision: ['full', 'mixed'],
  microbatches: [1, 3, 4],
} as const;

type Setting = Row<typeof settings>;

/** Some schedules need more microbatches than others. Sixteen ranks show no pair that eight do not. */
const legal = ({ data, context, tensor, schedule, pipeline, microbatches }: Setting): boolean =>
  (schedule === 'table' || microbatches >= scheduleKind(schedule).leastMicrobatches(pipeline)) &&
  (typeof data === 'string' ? 4 : data) * context * tensor * pipeline <= 8;

const rows = coveringRows(settings, legal);

describe('programs on virtual ranks', () => {
  const run: Setting[] = [];

  test.each(rows.map((row, i) => [Object.entries(row).flat().join(' '), row, i] as const))('%s', (_, row, i) => {
    const draw = drawOf(row, i);
    const options = trainingScenario(draw);
    const scenario = buildScenario(row.precision === 'mixed' ? drawnPrecision(options, draw) : options);
    const fault = programFault(scenario, row.precision === 'mixed' ? rounded : exact);
    if (fault) throw new Error(`  plan    ${describePlan(scenario)}\n${fault.tell()}`);
    run.push(settingOf(scenario.plan, row.precision));
  });

  test('every two values of every two settings have met', () => {
    process.stdout.write(`${coverageText(settings, run, legal)}\n`);
    expect(missingPairs(settings, run, legal)).toEqual([]);
  });
});

/** What a plan is, as settings. */
function settingOf({ groups, split, context_method, zero, schedule }: Plan, precision: Setting['precision']): Setting {
  const [{ mesh }] = Object.values(groups);
  const found = {
    data: mesh.data ?? 'replicas of shards',
    context: (mesh.context ?? 1) * (mesh['context.0'] ?? 1) * (mesh['context.1'] ?? 1),
    method: context_method,
    tensor: mesh.tensor,
    sequence: split.sequence.includes('tensor') ? 'split over tensor' : 'whole over tensor',
    pipeline: Object.keys(groups).length,
    zero: zero.stage,
    schedule: schedule.kind,
    precision,
    microbatches: schedule.microbatches,
  };
  return found as Setting;
}

/** A model of each family in turn. A table of its own is any: chunks on groups and slots in an order that no kind has. */
function drawOf(
  { data, context, method, tensor, sequence, pipeline, zero, schedule, microbatches }: Setting,
  i: number,
): TrainingDraw {
  const isHybrid = typeof data === 'string';
  const mesh: MeshDraw = { data: isHybrid ? 4 : data, tensor, context };
  return {
    model: (['gpt', 'llama', 'mixtral'] as const)[i % 3],
    layers: 1,
    heads: 2,
    headDim: 2,
    group: 1,
    hidden: 4,
    vocab: 6,
    experts: 2,
    zLoss: i % 2 === 0,
    dropout: true,
    tied: i % 2 === 0,
    window: i % 5 === 0 ? 2 : 0,
    sinks: i % 4 === 1,
    positions: (['learned', 'alibi', 'relative'] as const)[Math.floor(i / 3) % 3],
    documents: i % 2 === 0 ? 'packed' : 'separate',
    sequence: 3,
    batch: 2,
    logical: 2,
    microbatches,
    meshes: Array.from({ length: pipeline }, () => mesh),
    schedule: schedule === 'table' ? '1f1b' : schedule,
    virtualStages: schedule === 'table' ? 2 : 1,
    cuts: 0,
    order: [schedule === 'table' ? 'any' : 'generated', i],
    dataSplits: 'microbatch',
    skip: 0,
    uneven: [0, 0],
    contextSplits: 'sequence',
    expertsOverData: i % 2 === 0,
    expertsOverContext: i % 4 === 1,
    hiddenOverContext: i % 4 === 2,
    tokenGroups: i % 2,
    contextMethod: method,
    headTail: i % 3 !== 0,
    sequenceParallel: sequence === 'split over tensor',
    zero,
    zeroOverContext: i % 2 === 1,
    reshards: i % 3 === 0 ? 'segment and direction' : 'microbatch',
    again: [(['nothing', 'all', 'cheap', 'nothing'] as const)[i % 4], 'backward'],
    shard: isHybrid ? 2 : 0,
    gatheredAgain: i % 4 < 2,
    bucketBytes: i % 3 === 0 ? 200 : 0,
    prefetch: 1 + (i % 2),
    reductions: ([null, 'each', 'last'] as const)[i % 3],
    gradients: (
      [
        ['master', null],
        ['compute', 'f64'],
        ['master', 'f32'],
        ['compute', null],
      ] as const
    )[i % 4],
    update: true,
    whim: 0,
  };
}
