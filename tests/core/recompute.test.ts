/** Residuals made again in the backward: the same bits, and of each microbatch under way no more is kept than what segments hand on. */
import { describe, expect, test } from 'vitest';
import { GPT } from '../../src/nn/models/index.js';
import { keptFor, type PlanScope } from '../../src/plan/plan.js';
import { scheduleKinds } from '../../src/schedule/kinds.js';
import { inMixedPrecision, rounded } from '../laws/parallel_equals_serial.js';
import { heldOver, mostActivations, residualsBySegment } from '../scenarios/activations.js';
import { languageModel } from '../scenarios/language_model.js';
import { pipelineUnder } from '../scenarios/pipelines.js';
import { differentBits, type Scenario, type ScenarioOptions } from '../scenarios/scenario.js';
import { expectEqualsSerial } from './equals_serial.js';

const again = (of: string, rest: Partial<PlanScope> = {}): PlanScope => ({
  of,
  made: 'again',
  keep: 'backward',
  ops: 'all',
  ...rest,
});
const all = [again('*')];

/** Runs the step with and without what is made again, and expects the same bits. */
function expectSameBits(
  options: ScenarioOptions,
  scopes: readonly PlanScope[],
  tolerance?: Parameters<typeof expectEqualsSerial>[1],
) {
  const plain = expectEqualsSerial(options, tolerance);
  const remade = expectEqualsSerial({ ...options, scopes }, tolerance);
  const results = (scenario: Scenario) => scenario.gather(scenario.parallel());
  expect(differentBits(results(plain), results(remade))).toBeNull();
  return { plain, remade };
}

describe.each([...scheduleKinds.keys()])('%s', (schedule) => {
  const model = new GPT({ layers: 2, dim: 4, heads: 2, hidden: 5, context: 3, vocab: 7, dropout: 0.4 });
  const segments = ['embedding', 'blocks.0', 'blocks.1', 'head'];

  test('every residual, with dropout, ZeRO-3 and tensor parallelism', () => {
    const { remade } = expectSameBits(
      {
        ...languageModel(model, { batch: 2, sequence: 3 }),
        pipeline: pipelineUnder(schedule, [{ tensor: 2 }, { data: 2 }], segments),
        split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
        schedule,
        microbatches: 4,
        zero: { stage: 3, axes: ['data'] },
      },
      all,
    );
    const { steps, values } = remade.placed.step;
    const made = steps.filter(({ outputs }) => outputs.some((id) => values[id].name.includes(' again')));
    expect(made.filter(({ source }) => source.phase === 'forward')).toEqual([]);
    expect(made.some((step) => step.kind === 'op' && step.op === 'dropout')).toBe(true);
  });
});

const model = new GPT({ layers: 3, dim: 8, heads: 2, hidden: 12, context: 4, vocab: 11, dropout: 0.2 });
const onOne = (microbatches: number): ScenarioOptions => ({
  ...languageModel(model, { batch: 2, sequence: 4 }),
  microbatches,
});

test('in mixed precision over data and tensor ranks, moves included', () => {
  expectSameBits(
    inMixedPrecision({
      ...onOne(2),
      mesh: { data: 2, tensor: 2 },
      split: { batch: ['data'], heads: ['tensor'], hidden: ['tensor'], vocab: ['tensor'] },
    }),
    all,
    rounded,
  );
});

describe('bytes of activations', () => {
  const tokens = 2 * 4 * 8 * 8;

  test.each([1, 3])(
    '%i microbatches: what segments hand on of each, and the residuals of one segment',
    (microbatches) => {
      const { plain, remade } = expectSameBits(onOne(microbatches), all);
      // The tokens that each block and the head begin with, in f64. The embedding reads data.
      const handedOn = 4 * tokens;
      expect(heldOver(remade)).toBe(microbatches * handedOn);
      const residuals = residualsBySegment(plain);
      expect(heldOver(plain)).toBe(microbatches * [...residuals.values()].reduce((a, b) => a + b, 0));
      const most = mostActivations(remade);
      expect(most).toBeGreaterThan(microbatches * handedOn);
      expect(most).toBeLessThanOrEqual(microbatches * handedOn + Math.max(...residuals.values()));
      expect(most).toBeLessThan(mostActivations(plain));
    },
  );

  test('of one module alone, or of what is cheap to make, less is made again and more kept', () => {
    const kept = [[], [again('blocks.*.mlp')], [again('*', { ops: 'cheap' })], all].map((scopes) =>
      heldOver(expectSameBits(onOne(1), scopes).remade),
    );
    expect(kept[1]).toBeLessThan(kept[0]);
    expect(kept[2]).toBeLessThan(kept[0]);
    expect(kept[3]).toBeLessThan(Math.min(kept[1], kept[2]));
  });
});

test('the last entry that names a place decides', () => {
  const scopes = [again('*'), again('blocks.1', { keep: 'microbatch' }), again('blocks.*.mlp', { ops: 'cheap' })];
  const at = (path: string) => keptFor(scopes, 'again', { path, segment: path.split('.').slice(0, 2).join('.') });
  expect(at('blocks.0.norm1')).toBe(scopes[0]);
  expect(at('blocks.1.norm1')).toBe(scopes[1]);
  expect(at('blocks.1.mlp.up')).toBe(scopes[2]);
  expect(at('blocks.10')).toBe(scopes[0]);
});
