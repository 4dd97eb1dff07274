/** The resolved plan of a whole run: it leaves nothing open, and nothing in it is idle. */
import { describe, expect, test } from 'vitest';
import { quoteTraining } from '../../src/compile/quote.js';
import { DiagnosticError } from '../../src/ir/diagnostic.js';
import { GPT } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import type { PartitionCosts } from '../../src/partition/costs.js';
import { checkPlan } from '../../src/plan/check_plan.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { chosenFor as chosenForOf } from '../../src/plan/chosen_for.js';
import { planOfSizes, type ParallelSizes } from '../../src/plan/parallel_sizes.js';
import { parsePlan } from '../../src/plan/parse_plan.js';
import type { Plan, PlanPrecision as Precision } from '../../src/plan/plan.js';
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
  ['zero.stage', (p) => ({ ...p, zero: { stage: 1, axes: ['data'] } })],
  ['zero.axes', (p) => ({ ...p, zero: { ...p.zero, axes: ['tensor'] } })],
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

/** The choices as an author's own, which hold whatever else is changed. */
const { chosen_for: chosenFor, ...own } = resolved;

test.each(changes)('%s, changed, makes another program or is refused, and another hash of the plan', (_, change) => {
  const changed = change(own);
  expect(planHash(changed)).not.toBe(planHash(own));
  expect(tried(changed).outcome).not.toEqual(hashes);
});

describe.each<[string, ParallelSizes, Precision]>([
  ['a plan without ZeRO', { data_parallel_size: 2, tensor_parallel_size: 2 }, { compute: 'f32', master: 'f32' }],
  ['ZeRO-2', { data_parallel_size: 2, pipeline_parallel_size: 2, zero_stage: 2 }, { compute: 'bf16', master: 'f32' }],
  ['ZeRO-3', { data_parallel_size: 2, tensor_parallel_size: 2, zero_stage: 3 }, { compute: 'bf16', master: 'f32' }],
])('in the resolved plan of %s', (_, sizes, precision) => {
  const ranks = 4;
  const unresolved = planOfSizes(sizes, ranks, described, { sequences: 8, microbatch: 1 }, precision);
  const { resolved: chosen, hashes: before } = compiled(unresolved);

  // A field is refused where its choices are others, and else does what it does where nothing has been chosen yet.
  test.each<[string, (plan: Plan) => Plan]>([
    ...([0, 1, 2, 3] as const).map((stage): [string, (plan: Plan) => Plan] => [
      'zero.stage',
      (p) => ({ ...p, zero: { ...p.zero, stage } }),
    ]),
    ['zero.persistence_threshold', (p) => ({ ...p, zero: { ...p.zero, persistence_threshold: 10 } })],
    ['zero.bucket_bytes', (p) => ({ ...p, zero: { ...p.zero, bucket_bytes: 100 } })],
    ['zero.reduce_gradients', (p) => ({ ...p, zero: { ...p.zero, reduce_gradients: 'each' } })],
    ['zero.reduce_gradients', (p) => ({ ...p, zero: { ...p.zero, reduce_gradients: 'last' } })],
    ['zero.prefetch', (p) => ({ ...p, zero: { ...p.zero, prefetch: 0 } })],
    ['zero.reshard_after_forward', (p) => ({ ...p, zero: { ...p.zero, reshard_after_forward: false } })],
    ['precision.compute', (p) => ({ ...p, precision: { ...p.precision, compute: 'f32' } })],
    ['precision.compute', (p) => ({ ...p, precision: { ...p.precision, compute: 'bf16' } })],
    ['precision.gradients', (p) => ({ ...p, precision: { ...p.precision, gradients: 'bf16' } })],
    ['precision.reduce', (p) => ({ ...p, precision: { ...p.precision, reduce: 'bf16' } })],
    ['scopes', (p) => ({ ...p, scopes: [{ of: 'blocks.*', made: 'again', keep: 'backward', ops: 'all' }] })],
    ['schedule.kind', (p) => ({ ...p, schedule: { ...p.schedule, kind: 'gpipe' } })],
    ['schedule.kind', (p) => ({ ...p, schedule: { ...p.schedule, kind: 'zb-h1' } })],
    ['schedule.microbatches', (p) => ({ ...p, schedule: { ...p.schedule, microbatches: 8 } })],
    ['batch.sequences', (p) => ({ ...p, batch: { ...p.batch, sequences: 2 } })],
    ['split', (p) => ({ ...p, split: { ...p.split, vocab: [] } })],
    ['bounds', (p) => ({ ...p, bounds: { vocab: [0, 2, 6] } })],
    ['groups', (p) => ({ ...p, groups: mapped(p.groups, ({ mesh }) => ({ mesh: { ...mesh, data: 4 } })) })],
    ['chunks', (p) => ({ ...p, chunks: moved(p.chunks) })],
  ])('%s, changed, is done or refused by its name', (field, change) => {
    const { outcome, refusal } = tried(change(chosen));
    const { assignments: _, reshards: __, validation: ___, chosen_for: ____, ...open } = change(chosen);
    const wanted = tried(open).outcome;
    if (outcome !== 'plan/choices-for-another-plan') return expect(outcome).toEqual(wanted);
    expect(wanted, 'without its choices the same programs').not.toEqual(before);
    expect(refusal?.message).toContain(`${field} is `);
  });
});

test('the refusal says what to remove, and that done the change is', () => {
  const changed: Plan = { ...resolved, zero: { stage: 1, axes: ['data'] } };
  expect(tried(changed).refusal?.message).toMatch(
    /zero\.stage is 1, and the plan's \d+ assignments[^]*remove assignments, reshards, validation and chosen_for:/,
  );
  const { assignments: _, reshards: __, validation: ___, chosen_for: ____, ...open } = changed;
  expect(compiled(open).hashes).toEqual(compiled({ ...plan, zero: changed.zero }).hashes);
});

test('what is predicted and what groups are called does not decide', () => {
  const { g0 } = resolved.groups;
  const chunks = resolved.chunks.map((chunk) => ({ ...chunk, on: 'all' }));
  const renamed: Plan = { ...resolved, predicted: { peak_bytes: 7 }, groups: { all: g0 }, chunks };
  expect(chosenFor).toEqual(chosenForOf(renamed));
  expect(planHash(renamed)).toBe(planHash(resolved));
  expect(compiled(renamed).hashes).toEqual(hashes);
});

interface Tried {
  /** The programs of a plan; or the code of what refuses it. */
  readonly outcome: readonly string[] | string;
  readonly refusal: DiagnosticError | null;
}

function tried(changed: Plan): Tried {
  try {
    return { outcome: compiled(changed).hashes, refusal: null };
  } catch (error) {
    if (error instanceof DiagnosticError) return { outcome: error.code, refusal: error };
    throw error;
  }
}

/** Of two chunks, each with the layers of the other; one stays as it is. */
const moved = (chunks: Plan['chunks']): Plan['chunks'] => {
  if (chunks.length < 2) return chunks;
  const [first, ...others] = chunks.flatMap(({ segments }) => segments);
  return [
    { ...chunks[0], segments: [first] },
    { ...chunks[1], segments: others },
  ];
};

const mapped = <T>(of: Readonly<Record<string, T>>, change: (one: T) => T): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(of).map(([name, one]) => [name, change(one)]));
