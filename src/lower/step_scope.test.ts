import { expect, test } from 'vitest';
import { pipelineOf } from '../plan/plan.js';
import { languageModel } from '../../tests/scenarios/language_model.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { parseGraph } from '../ir/parse.js';
import { GPT } from '../nn/models/index.js';
import { ops } from '../ops/index.js';
import { parsePlan, placeStep } from '../partition/example.js';
import { scopeOf } from '../partition/placed.js';
import { applyPrecision } from '../passes/precision.js';
import { lowerAll } from './lower.example.js';
import type { Lifetime } from '../program/program.js';
import { operandsOf } from '../program/kinds.js';
import { instructionsOf } from '../program/unroll.js';
import { verifyProgram } from '../verify/index.js';

const step = placeStep(
  parsePlan('mesh {}'),
  parseGraph(
    `func @step(
      %x: data f32[row=4, dim=4],
      %w: parameter f32[dim=4, hidden=4]
    ) {
      %0 = exp(%w) : f32[dim=4, hidden=4]
      %1 = exp(%0) : f32[dim=4, hidden=4]
      %2 = einsum(%x, %1) {to=[row, hidden]} : f32[row=4, hidden=4]
      %3 = exp(%2) : f32[row=4, hidden=4]
      %4 = einsum(%1) {to=[dim]} : f32[dim=4]
      return y=%3, penalty=%4
    }`,
    ops,
  ),
);

test('what follows from parameters alone is made once; not what reads data, nor what is summed over microbatches', () => {
  const once = step.steps.filter((one) => scopeOf(step, one) === 'step');
  const made = once.flatMap(({ outputs }) => outputs.map((id) => step.values[id].name));
  expect(made).toEqual(['/exp%2', '/exp%3']);
});

test('later microbatches read what the first one made', () => {
  const slots = [0, 1, 2].map((microbatch) => ({ chunk: 0, direction: 'forward', microbatch }) as const);
  const [{ templates, values, schedule }] = lowerAll({ step, update: null, slots }).classes;
  const opsIn = (name: string) =>
    instructionsOf(templates.find((template) => template.name === name)!).map((x) => (x.kind === 'kernel' ? x.op : ''));
  expect(opsIn('forward.first')).toEqual(['exp', 'exp', 'einsum', 'exp', 'einsum']);
  expect(opsIn('forward')).toEqual(['einsum', 'exp', 'einsum']);
  const shared = values.findIndex(({ name, lifetime }) => lifetime === 'step' && name.includes('%3'));
  expect(new Set(schedule.map(({ offsets }) => offsets[shared])).size).toBe(1);
});

test('weights are cast once a step, and none is sent to a group that stores it', () => {
  const model = new GPT({ layers: 3, dim: 4, heads: 2, context: 3, vocab: 6 });
  const { step, element } = languageModel(model, { batch: 2, sequence: 3, dtype: 'f32' });
  const segments = [['embedding', 'blocks.0'], ['blocks.1'], ['blocks.2', 'head']];
  const { program, placed } = buildScenario({
    step: applyPrecision(step, ops, 'bf16'),
    update: null,
    element,
    pipeline: pipelineOf(segments.map((group) => ({ segments: group, mesh: { data: 1 } }))),
    microbatches: 4,
    schedule: '1f1b',
  });
  expect(verifyProgram(program, placed, ops)).toEqual([]);
  const [{ templates, values }] = program.classes;
  const touch = (name: string, lifetime: Lifetime) => {
    const instructions = instructionsOf(templates.find((template) => template.name === name)!);
    return instructions.filter((x) => operandsOf(x).some(({ value }) => values[value].lifetime === lifetime));
  };
  const makers = (name: string) =>
    touch(name, 'step').flatMap((x) => (x.kind === 'kernel' && x.op === 'cast' ? [x.source.path] : []));
  expect(makers('forward.first')).toContain('embedding.weight');
  expect(makers('forward')).toEqual([]);
  const sends = (name: string) => touch(name, 'microbatch').filter((x) => x.kind === 'send').length;
  expect([sends('forward.first'), sends('forward')]).toEqual([1, 1]);
});
