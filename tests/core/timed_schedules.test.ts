/**
 * Schedules as programs: each is compiled and run against a clock, on groups of one rank, with a unit of time for each direction of a chunk
 * and free messages. Bubbles and activations of the worst rank are the published ones.
 */
import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/ir/builder.js';
import { gradientRole } from '../../src/ir/role.js';
import { tensorType } from '../../src/ir/type.js';
import { ops } from '../../src/ops/index.js';
import { gradients } from '../../src/passes/autodiff.js';
import { groupName } from '../../src/plan/plan.js';
import type { ScheduleKind, ScheduleShape } from '../../src/schedule/kind.js';
import { defaultVirtualStages, generateSchedule, scheduleKind, scheduleKinds } from '../../src/schedule/kinds.js';
import { groupOfChunk } from '../../src/schedule/placement.js';
import { secondsByDirection, timeline } from '../../src/schedule/timeline.js';
import { runTimed } from '../scenarios/clock.js';
import { buildScenario, type Scenario, type StepGraphs } from '../scenarios/scenario.js';

const unit = { forward: 1, backward: 1, weight: 1 };

/** Two products a chunk: a first one alone would have no gradient of activations to give. */
const layersOf = (chunks: number): readonly (readonly string[])[] =>
  Array.from({ length: chunks }, (_, c) => [`layers.${2 * c}`, `layers.${2 * c + 1}`]);

/** Products one after the other of numbers with weights, each layer a segment: a kernel a direction. */
function chain(layers: readonly string[]): StepGraphs {
  const builder = new GraphBuilder(ops, 'chain');
  const weights = layers.map((layer, i) =>
    builder.input(`${layer}.weight`, 'parameter', tensorType('f64', { [`d${i}`]: 1, [`d${i + 1}`]: 1 })),
  );
  let x = builder.input('x', 'data', tensorType('f64', { batch: 1, d0: 1 }));
  layers.forEach((layer, i) => {
    x = builder.at({ segment: layer, path: layer }, () => x.einsum([weights[i]], `batch d${i + 1}`));
  });
  builder.at({ segment: layers[layers.length - 1], path: 'loss' }, () => {
    const loss = x.sum(`batch d${layers.length}`);
    builder.output('loss_sum', loss);
    builder.at({ phase: 'backward' }, () => {
      gradients(builder, [{ value: loss, cotangent: loss.constant(1) }], weights).forEach((gradient, i) =>
        builder.output(gradientRole(`${layers[i]}.weight`), gradient!),
      );
    });
  });
  return { step: builder.build(), update: null };
}

function programOf(
  { name, placement }: ScheduleKind,
  { groups, virtualStages, microbatches }: ScheduleShape,
): Scenario {
  const chunks = layersOf(groups * virtualStages);
  return buildScenario({
    ...chain(chunks.flat()),
    pipeline: {
      groups: Object.fromEntries(Array.from({ length: groups }, (_, i) => [groupName(i), { mesh: {} }])),
      chunks: chunks.map((segments, c) => ({ segments, on: groupName(groupOfChunk(placement, groups, c)) })),
    },
    schedule: name,
    microbatches,
    memory: { searchNodes: 0, moves: 0 },
  });
}

describe.each([...scheduleKinds.keys()])('%s', (name) => {
  const kind = scheduleKind(name);
  const shapes = [2, 4, 8].flatMap((groups) =>
    [1, 2, 4]
      .map((times): ScheduleShape => ({
        groups,
        virtualStages: defaultVirtualStages(kind),
        microbatches: times * groups,
      }))
      .filter(({ microbatches }) => microbatches >= kind.leastMicrobatches(groups)),
  );

  test.each(shapes)('$groups groups, $microbatches microbatches', (shape) => {
    const ranks = runTimed(programOf(kind, shape), { seconds: unit, message: 0 });
    const step = Math.max(...ranks.map(({ end }) => end));
    const bubbles = ranks.map(({ begin, end, busy }) => (kind.bubble.of === 'step' ? step : end - begin) - busy);
    const expected = {
      bubble: kind.bubble.holdsFor(shape, unit) ? kind.bubble.value(shape, unit) : 'no formula',
      peak: kind.peak.holdsFor(shape, unit) ? kind.peak.value(shape, unit) : 'no formula',
    };
    expect({
      bubble: expected.bubble === 'no formula' ? expected.bubble : Math.round(Math.max(...bubbles) * 1e6) / 1e6,
      peak: expected.peak === 'no formula' ? expected.peak : Math.max(...ranks.map(({ peak }) => peak)),
    }).toEqual(expected);
  });
});

/**
 * The table's own clock has messages that nobody needs to ask for, any number at once. A program has a lane for each group that it receives
 * from, and asks ahead.
 */
function clocks(name: string, message: number) {
  const kind = scheduleKind(name);
  const shape = { groups: 4, virtualStages: defaultVirtualStages(kind), microbatches: 8 };
  const table = generateSchedule(name, shape);
  const { seconds } = timeline(table, { seconds: secondsByDirection(table, unit), message });
  const ranks = runTimed(programOf(kind, shape), { seconds: unit, message });
  return { ofTable: seconds, ofProgram: Math.max(...ranks.map(({ end }) => end)) };
}

test.each(
  ['gpipe', '1f1b', 'zb-h1', 'interleaved', 'zb-v'].flatMap((name) =>
    [0.25, 0.75].map((message) => [name, message] as const),
  ),
)('%s: messages of %f slots wait for no receive', (name, message) => {
  const { ofTable, ofProgram } = clocks(name, message);
  expect(ofProgram).toBeCloseTo(ofTable, 6);
});

// In the table's clock two woven slots begin together; a program begins each as soon as its own message is there.
test.each([0.25, 0.75])('dualpipe-v: messages of %f slots wait for no receive', (message) => {
  const { ofTable, ofProgram } = clocks('dualpipe-v', message);
  expect(ofProgram).toBeLessThanOrEqual(ofTable);
});

test('gpipe: messages between forwards, and between backwards, delay the first of them alone', () => {
  const [p, m, message] = [4, 8, 0.5];
  const ranks = runTimed(programOf(scheduleKind('gpipe'), { groups: p, virtualStages: 1, microbatches: m }), {
    seconds: unit,
    message,
  });
  expect(Math.max(...ranks.map(({ end }) => end))).toBeCloseTo((m + p - 1) * 3 + 2 * (p - 1) * message, 6);
});
