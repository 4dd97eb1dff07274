import { expect, test } from 'vitest';
import { pipelineOf } from '../plan/plan.js';
import { languageModel } from '../../tests/scenarios/language_model.js';
import { pipelineUnder } from '../../tests/scenarios/pipelines.js';
import { buildScenario, differences } from '../../tests/scenarios/scenario.js';
import { GPT } from '../nn/models/index.js';
import { ops } from '../ops/index.js';
import { instanceKey } from '../program/unroll.js';
import { verifyProgram } from '../verify/index.js';

/** Pipelines of more microbatches than are under way at once: their addresses come round. */
test.each([
  ['1f1b', 2, 16],
  ['gpipe', 2, 10],
  ['zb-h1', 3, 20],
  ['interleaved', 2, 20],
  ['zb-v', 2, 24],
  ['dualpipe-v', 2, 24],
] as const)('addresses come round under %s', (schedule, groups, microbatches) => {
  const model = new GPT({ layers: 2, dim: 4, heads: 2, context: 4, vocab: 8 });
  const segments = ['embedding', 'blocks.0', 'blocks.1', 'head'];
  const meshes = Array.from({ length: groups }, () => ({ data: 1 }));
  const { program, placed, ...scenario } = buildScenario({
    ...languageModel(model, { batch: 1, sequence: 2 }),
    pipeline: pipelineUnder(schedule, meshes, segments),
    microbatches,
    schedule,
    memory: { instances: 1, moves: 10, searchNodes: 0 },
  });
  expect(verifyProgram(program, placed, ops)).toEqual([]);
  expect(differences(scenario.serial(), scenario.gather(scenario.parallel()), 1e-9)).toEqual([]);
  if (schedule === 'gpipe') return;
  for (const { schedule: steps, values } of program.classes) {
    const activation = values.findIndex(
      ({ lifetime, view }, i) =>
        lifetime === 'microbatch' && !view && steps.some(({ offsets }) => offsets[i] !== undefined),
    );
    const addresses = steps.flatMap(({ offsets }) => offsets[activation] ?? []);
    expect(new Set(addresses).size).toBeLessThan(microbatches);
  }
});

test('thousands of instances share slots, at little more than what is live', () => {
  const { program, placed } = buildScenario({
    ...languageModel(new GPT({ layers: 2, dim: 64, heads: 2, context: 32, vocab: 64 }), { batch: 2, sequence: 32 }),
    pipeline: pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { data: 1 } },
      { segments: ['blocks.1', 'head'], mesh: { data: 1 } },
    ]),
    microbatches: 240,
    schedule: '1f1b',
  });
  for (const { schedule, values, arenaBytes, liveBytes } of program.classes) {
    const instances = schedule.flatMap(({ offsets, microbatch }) =>
      Object.keys(offsets).map((base) => instanceKey(values, Number(base), microbatch)),
    );
    expect(new Set(instances).size).toBeGreaterThan(8000);
    expect(arenaBytes / liveBytes).toBeLessThan(1.05);
  }
  expect(verifyProgram(program, placed, ops)).toEqual([]);
});
