/** Hybrid sharding: ZeRO over one of two data axes, so that each rank of the other has a whole copy in shards. */
import { describe, expect, test } from 'vitest';
import { bytesOf } from '../../src/ir/type.js';
import { GPT, Llama } from '../../src/nn/models/index.js';
import type { PlacedGraph } from '../../src/partition/placed.js';
import type { ZeroStage } from '../../src/plan/plan.js';
import { isLocal } from '../../src/reshard/moves.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { languageModel } from '../scenarios/language_model.js';
import { exposedSeconds } from '../scenarios/overlap.js';
import { buildScenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { expectEqualsSerial, outputLayout } from './equals_serial.js';

const model = new GPT({ layers: 1, dim: 6, heads: 2, hidden: 7, context: 3, vocab: 11 });
const options = (stage: ZeroStage, mesh = { replica: 2, shard: 2 }, microbatches = 2): ScenarioOptions => ({
  ...languageModel(model, { batch: 12, sequence: 3 }),
  mesh,
  split: { batch: ['replica', 'shard'] },
  microbatches,
  zero: { stage, axes: ['shard'] },
});

/** The exchanges of buckets and their gradients, each sort once. */
const exchangesOf = ({ steps, values }: PlacedGraph): readonly string[] =>
  steps.flatMap((step) => {
    const isBuckets = step.kind === 'move' && /^(gradient\.)?bucket\./.test(values[step.inputs[0]].name);
    return isBuckets && !isLocal(step.move) ? [`${step.move.kind} over ${step.move.axes.join()}`] : [];
  });

describe.each([1, 2, 3] as const)('stage %i', (stage) => {
  test.each(['full', 'mixed'] as const)('%s precision: shards inside, replicas across', (precision) => {
    const { placed } =
      precision === 'full'
        ? expectEqualsSerial(options(stage))
        : expectEqualsSerial(inMixedPrecision(options(stage)), rounded);
    const { step, update, buckets } = placed;
    for (const { name } of buckets) {
      if (precision === 'full') expect(outputLayout(update!, `optimizer.exp_avg.${name}`)).toBe('{elements:shard}');
      const parameters = stage === 3 ? '{elements:shard}' : '{}';
      if (precision === 'full') expect(outputLayout(update!, name)).toBe(parameters);
      // Each microbatch is reduced inside, so far as it is at all; across, once a step.
      const summed = stage === 1 ? '{| sum:replica, sum:shard}' : '{elements:shard | sum:replica}';
      expect(outputLayout(step, `gradient.${name}`)).toBe(summed);
    }
    expect(new Set([...exchangesOf(step), ...exchangesOf(update!)])).toEqual(
      new Set(['reduce_scatter over shard', 'all_reduce over replica', 'all_gather over shard']),
    );
  });

  test('a rank keeps what one of as many as there are shards keeps without replicas', () => {
    const kept = (mesh: Record<string, number>, zero: Partial<ScenarioOptions> = {}) => {
      const { program } = buildScenario({ ...options(stage), mesh, ...zero });
      return program.classes[0].values
        .filter(({ lifetime, view }) => (lifetime === 'persistent' || lifetime === 'sum') && !view)
        .reduce((n, { type }) => n + bytesOf(type), 0);
    };
    const plain = { split: { batch: ['shard'] } };
    expect(kept({ replica: 2, shard: 3 })).toBe(kept({ shard: 3 }, plain));
    expect(kept({ replica: 3, shard: 2 })).toBe(kept({ shard: 2 }, plain));
    expect(kept({ replica: 2, shard: 3 })).toBeLessThan(kept({ replica: 3, shard: 2 }));
  });

  test('three replicas of two shards, with tensor parallelism', () => {
    const { placed } = expectEqualsSerial({
      ...options(stage),
      mesh: { replica: 3, shard: 2, tensor: 2 },
      split: { batch: ['replica', 'shard'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
    });
    const states = placed.buckets.map(({ name }) => outputLayout(placed.update!, `optimizer.exp_avg.${name}`));
    expect(states.some((layout) => layout.startsWith('{elements:tensor*shard'))).toBe(true);
  });
});

// Sizes that divide, so that all ranks are of one class; the matrices of a layer are 20,480 bytes.
const even = new Llama({ layers: 3, dim: 16, heads: 2, hidden: 32, context: 4, vocab: 16 });

test.each(
  [1, 2, 3].flatMap((stage) => ([undefined, 'f32'] as const).map((reduce) => [stage as ZeroStage, reduce] as const)),
)(
  'stage %i, reduced in %s: both hops of a reduction lie under the backward, but those of the last bucket',
  (stage, reduce) => {
    for (const microbatches of [1, 3]) {
      const scenario = buildScenario({
        ...options(stage, undefined, microbatches),
        ...languageModel(even, { batch: 4, sequence: 4 }),
        zero: { stage, axes: ['shard'], bucket_bytes: 20_480 },
        reduce,
      });
      const [inside, across] = [0.3, 0.4];
      const matrices = new Set(scenario.placed.buckets.flatMap(({ name, matrices }) => (matrices ? [name] : [])));
      const exposed = exposedSeconds(scenario, ({ instruction }) => {
        if (instruction.kind !== 'collective' || !matrices.has(instruction.source.path.replace(/^gradient\./, '')))
          return 0;
        return { reduce_scatter: inside, all_reduce: across }[instruction.move.kind as string] ?? 0;
      });
      // What is reduced each microbatch is added to its sum when the next segment's is under way, and then goes across: at the end the hop
      // before the last lies under the last one's first, and each microbatch ends with the first hop of its last bucket.
      const each = (microbatches - 1) * inside + Math.max(inside, across) + across;
      expect(exposed).toBeCloseTo(stage === 1 ? inside + across : each, 6);
    }
  },
);
