/** Megatron's sequence parallelism (Korthikanti et al. 2022, §4.2.2): shards of the sequence are kept, and gathered again in the backward. */
import { expect, test } from 'vitest';
import { Llama } from '../../src/nn/models/index.js';
import type { PlanScope } from '../../src/plan/plan.js';
import { heldOver } from '../scenarios/activations.js';
import { languageModel } from '../scenarios/language_model.js';
import { differentBits, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { expectEqualsSerial, movesOf } from './equals_serial.js';

const model = new Llama({ layers: 2, dim: 8, heads: 2, hidden: 16, context: 4, vocab: 12 });
const options: ScenarioOptions = {
  ...languageModel(model, { batch: 2, sequence: 4 }),
  mesh: { tensor: 2 },
  split: { heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'], sequence: ['tensor'] },
  microbatches: 2,
};
const reshard = (keep: PlanScope['keep']): PlanScope => ({ of: '*', made: 'reshard', keep, ops: 'all' });
const results = (scenario: Scenario) => scenario.gather(scenario.parallel());

test('what is gathered for products is let go after the forward and gathered again', () => {
  const kept = expectEqualsSerial(options);
  const again = expectEqualsSerial({ ...options, scopes: [reshard('segment and direction')] });
  const gathers = [kept, again].map(({ placed }) => movesOf(placed.step).all_gather);
  expect(gathers[1]).toBeGreaterThan(gathers[0]);
  expect(heldOver(again)).toBeLessThan(heldOver(kept));
  expect(differentBits(results(kept), results(again))).toBeNull();
  // No block of the whole sequence outlives the direction it is gathered in.
  const { steps, values } = again.placed.step;
  for (const step of steps) {
    if (step.kind !== 'move' || step.move.kind !== 'all_gather' || values[step.outputs[0]].scope === 'step') continue;
    const readers = steps.filter(({ inputs }) => inputs.includes(step.outputs[0]));
    expect(new Set(readers.map(({ source }) => `${source.segment}/${source.phase}`)).size).toBe(1);
  }
});

test('with split backwards, gathered again for each slot or once for both', () => {
  const pipeline: Partial<ScenarioOptions> = { schedule: 'zb-h1', microbatches: 2 };
  const counts = (['segment and direction', 'backward'] as const).map(
    (keep) => movesOf(expectEqualsSerial({ ...options, ...pipeline, scopes: [reshard(keep)] }).placed.step).all_gather,
  );
  expect(counts[1]).toBeLessThan(counts[0]);
});
