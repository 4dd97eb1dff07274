import { expect, test } from 'vitest';
import { pipelineOf } from '../plan/plan.js';
import { languageModel } from '../../tests/scenarios/language_model.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { GPT } from '../nn/models/index.js';
import { ops } from '../ops/index.js';
import { instanceKey } from '../program/unroll.js';
import { verifyProgram } from '../verify/index.js';

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
