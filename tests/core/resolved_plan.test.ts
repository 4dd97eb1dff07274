/** The resolved plan of a whole run: it leaves nothing open, and nothing in it is idle. */
import { expect, test } from 'vitest';
import { quoteTraining } from '../../src/compile/quote.js';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import { GPT } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import type { PartitionCosts } from '../../src/partition/costs.js';
import { checkPlan } from '../../src/plan/check_plan.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes } from '../../src/plan/parallel_sizes.js';
import { parsePlan } from '../../src/plan/parse_plan.js';
import type { Plan } from '../../src/plan/plan.js';
import { planHash } from '../../src/plan/plan_hash.js';
import { compileRun, programHash } from '../../src/train/compile_run.js';
import { anyPrices } from '../scenarios/whim.js';

const model = new GPT({ layers: 2, dim: 4, heads: 2, context: 3, vocab: 6, dropout: 0.1 });
const described = describeModel(model);
const plan = planOfSizes(
  { data_parallel_size: 2, tensor_parallel_size: 2, zero_stage: 3 },
  4,
  described,
  { sequences: 4, microbatch: 1 },
  { compute: 'bf16', master: 'f32' },
);

const requestOf = (given: Plan, costs?: PartitionCosts) =>
  ({
    model,
    optimizer: adamw({ lr: 1e-3 }),
    plan: given,
    registry: ops,
    target: 'reference',
    rank: null,
    costs,
  }) as const;

function compiled(given: Plan, costs?: PartitionCosts) {
  checkPlan(given, described, 'plan.json');
  const { training, validation, resolved } = compileRun(requestOf(given, costs));
  return { resolved, hashes: [training, validation].map(({ program }) => programHash(program)) };
}

const { resolved, hashes } = compiled(plan);

test('the resolved plan, read from its file, makes the same programs under any prices', () => {
  const read = parsePlan(JSON.stringify(resolved), 'plan.resolved.json');
  for (const seed of [1, 2]) expect(compiled(read, anyPrices(seed))).toEqual({ resolved, hashes });
  expect(compiled(plan, anyPrices(1)).hashes).not.toEqual(hashes);
});

test('its quote is that of its programs, under any prices', () => {
  const placedBy = (given: Plan, costs?: PartitionCosts) =>
    quoteTraining({ ...requestOf(given, costs), sequence: model.options.context }).placed.step.steps;
  const steps = placedBy(plan);
  expect(placedBy(resolved, anyPrices(1))).toEqual(steps);
  expect(placedBy(plan, anyPrices(1))).not.toEqual(steps);
});

test('layers that are alike are written once', () => {
  const names = Object.keys(resolved.assignments!);
  expect(names).toContain('blocks.*.attention.qkv/einsum.0');
  expect(names.filter((name) => name.startsWith('blocks.1.')).length).toBeLessThan(names.length / 8);
});

/** A field, and the plan with something else there. Model and batch are held against the configuration instead. */
const changes: readonly (readonly [field: string, change: (plan: Plan) => Plan])[] = [
  ['groups', (p) => ({ ...p, groups: { g0: { mesh: { tensor: 2, data: 2 } } } })],
  ['schedule.microbatches', (p) => ({ ...p, schedule: { ...p.schedule, microbatches: 4 } })],
  ['batch.sequences', (p) => ({ ...p, batch: { ...p.batch, sequences: 2 } })],
  ['split', (p) => ({ ...p, split: { ...p.split, vocab: [] } })],
  ['zero.stage', (p) => ({ ...p, zero: { stage: 1, axis: 'data' } })],
  ['zero.axis', (p) => ({ ...p, zero: { ...p.zero, axis: 'tensor' } })],
  ['zero.prefetch', (p) => ({ ...p, zero: { ...p.zero, prefetch: 0 } })],
  ['zero.reshard_after_forward', (p) => ({ ...p, zero: { ...p.zero, reshard_after_forward: false } })],
  ['zero.reduce_gradients', (p) => ({ ...p, zero: { ...p.zero, reduce_gradients: 'last' } })],
  ['precision.reduce', (p) => ({ ...p, precision: { ...p.precision, reduce: 'bf16' } })],
  ['precision.compute', (p) => ({ ...p, precision: { compute: 'f32', master: 'f32' } })],
  ...[0, 5, 11, 17, 23, 29].map((k): [string, (plan: Plan) => Plan] => {
    // What ZeRO casts on the shard lies as the shard does, whatever is assigned to the cast.
    const decides = (one: string) => resolved.assignments![one].split !== undefined && !one.includes('/cast.');
    const name = Object.keys(resolved.assignments!).filter(decides)[k];
    const { split = {} } = resolved.assignments![name];
    const [factor] = Object.keys(split);
    const other: Record<string, string> = factor === undefined ? { dim: 'tensor', vocab: 'tensor' } : {};
    return [`assignments.${name}`, (p) => ({ ...p, assignments: { ...p.assignments, [name]: { split: other } } })];
  }),
  ...[0, 1].map((k): [string, (plan: Plan) => Plan] => [
    `reshards.${k}.to`,
    (p) => ({ ...p, reshards: p.reshards!.with(k, { ...p.reshards![k], to: '{dim:tensor*data}' }) }),
  ]),
  ['reshards.0.by', (p) => ({ ...p, reshards: p.reshards!.with(0, { ...p.reshards![0], by: [] }) })],
  ['validation.assignments', (p) => ({ ...p, validation: { ...p.validation, assignments: { 'head/none.0': {} } } })],
];

test.each(changes)('%s, changed, makes another program or is refused, and another hash of the plan', (_, change) => {
  const changed = change(resolved);
  expect(planHash(changed)).not.toBe(planHash(resolved));
  expect(outcomeOf(changed)).not.toEqual(hashes);
});

test('what is predicted and what groups are called does not decide', () => {
  const { g0 } = resolved.groups;
  const chunks = resolved.chunks.map((chunk) => ({ ...chunk, on: 'all' }));
  const renamed: Plan = { ...resolved, predicted: { peak_bytes: 7 }, groups: { all: g0 }, chunks };
  expect(planHash(renamed)).toBe(planHash(resolved));
  expect(compiled(renamed).hashes).toEqual(hashes);
});

/** The programs of a plan; or the code of what refuses it. */
function outcomeOf(changed: Plan): readonly string[] | string {
  try {
    return compiled(changed).hashes;
  } catch (error) {
    if (error instanceof DiagnosticError) return error.code;
    throw error;
  }
}
