/** A resolved plan, edited by hand: what of its paths is refused, where, and that what the refusal says to do mends it. */
import { describe, expect, test } from 'vitest';
import { DiagnosticError, type DiagnosticText } from '../../src/ir/diagnostic.js';
import { GPT } from '../../src/nn/models/index.js';
import { ops } from '../../src/ops/index.js';
import { adamw } from '../../src/optim/index.js';
import { checkPlan } from '../../src/plan/check_plan.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes } from '../../src/plan/parallel_sizes.js';
import { parsePlan } from '../../src/plan/parse_plan.js';
import type { Plan, PlannedPath } from '../../src/plan/plan.js';
import { compileRun, programHash } from '../../src/train/compile_run.js';

const model = new GPT({ layers: 1, dim: 4, heads: 2, context: 3, vocab: 6 });
const described = describeModel(model);
const sizes = { data_parallel_size: 2, tensor_parallel_size: 2, zero_stage: 1 as const };
const precision = { compute: 'f32', master: 'f32' } as const;
const plan = planOfSizes(sizes, 4, described, { sequences: 4, microbatch: 1 }, precision);

function compiled(given: Plan) {
  checkPlan(given, described, 'plan.resolved.json');
  const request = { model, optimizer: adamw({ lr: 1e-3 }), plan: given, registry: ops } as const;
  const { training, validation, resolved } = compileRun({ ...request, target: 'reference', rank: null });
  return { resolved, hashes: [training, validation].map(({ program }) => programHash(program)) };
}

const { resolved, hashes } = compiled(plan);
type Paths = readonly PlannedPath[];
const paths: Paths = resolved.reshards!;
/** A path of two moves: what ZeRO sums over both axes, and keeps a part of. */
const two = paths.findIndex(({ by }) => by.length === 2);

/** The file of the plan with other paths, as a run reads it. */
const edited = (change: (paths: Paths) => Paths): Plan =>
  parsePlan(JSON.stringify({ ...resolved, reshards: change(paths) }), 'plan.resolved.json');
const withPath = (index: number, change: (path: PlannedPath) => Partial<PlannedPath>): Plan =>
  edited((all) => all.with(index, { ...all[index], ...change(all[index]) }));
const without = (index: number): Plan => edited((all) => all.toSpliced(index, 1));

function refusalOf(given: Plan): DiagnosticText & { readonly code: string } {
  try {
    compiled(given);
  } catch (error) {
    if (error instanceof DiagnosticError) return { code: error.code, ...error.diagnostic };
    throw error;
  }
  return expect.fail('it is accepted');
}

describe('a move that does not lead on', () => {
  test('misspelt: the one that is meant', () => {
    const [first, second] = paths[two].by;
    const told = refusalOf(withPath(two, () => ({ by: [first, second.replace('all_reduce', 'allreduce')] })));
    expect(told).toMatchObject({
      code: 'reshard/no-such-move',
      where: [{ at: 'plan', note: `field reshards.${two}.by.1` }],
      fix: `write '${second}'`,
    });
    expect(compiled(withPath(two, () => ({ by: [first, second] }))).hashes).toEqual(hashes);
  });

  test('of no name that is near: those that do, each of them', () => {
    const told = refusalOf(withPath(two, () => ({ by: ['teleport'] })));
    expect(told).toMatchObject({ code: 'reshard/no-such-move', where: [{ note: `field reshards.${two}.by.0` }] });
    expect(told.what).toContain("no move 'teleport'");
    const legal = [...told.fix.matchAll(/'([^']+)'/g)].map(([, move]) => move);
    expect(legal).toContain(paths[two].by[0]);
    for (const move of legal) {
      const next = refusalOf(withPath(two, () => ({ by: [move, 'teleport'] })));
      expect(next.where, `${move} is taken`).toEqual([{ at: 'plan', note: `field reshards.${two}.by.1` }]);
    }
  });

  test('behind the end: to leave it out', () => {
    const told = refusalOf(withPath(two, ({ by }) => ({ by: [...by, 'teleport'] })));
    expect(told).toMatchObject({
      code: 'reshard/no-such-move',
      where: [{ at: 'plan', note: `field reshards.${two}.by.2` }],
      fix: 'remove it: the path is there',
    });
  });
});

test('a path that ends before where it should: its other moves, or none of them', () => {
  const [first] = paths[two].by;
  const told = refusalOf(withPath(two, () => ({ by: [first] })));
  expect(told).toMatchObject({
    code: 'reshard/path-ends-elsewhere',
    where: [{ at: 'plan', note: `field reshards.${two}.by` }],
    fix: 'add the moves that lead there, or remove the path to have one chosen',
  });
  expect(told.what).toContain(`does not end in ${paths[two].to}`);
  expect(compiled(without(two)).hashes).toEqual(hashes);
});

describe('a path that nothing takes', () => {
  test('beside one that is taken: that one', () => {
    const { of, from, to, on } = paths[two];
    const other = of.replace('elements=', 'elements=1');
    const told = refusalOf(withPath(two, () => ({ of: other })));
    expect(told).toMatchObject({
      code: 'partition/unused-path',
      where: [{ at: 'plan', note: `field reshards.${two}` }],
      fix: `write ${of} from ${from} to ${to} @${on}`,
    });
    expect(told.what).toContain(`${other} from ${from} to ${to} @${on}`);
  });

  test('unlike any: to leave it out', () => {
    const stray = { on: 0, of: 'i32[nothing=1]', from: '{}', to: '{nothing:data}', by: ['slice {nothing:data}'] };
    const told = refusalOf(edited((all) => [...all, stray]));
    expect(told).toMatchObject({
      code: 'partition/unused-path',
      where: [{ at: 'plan', note: `field reshards.${paths.length}` }],
      fix: 'remove it',
    });
    expect(compiled(edited((all) => all)).hashes).toEqual(hashes);
  });
});

describe('what the validation step has of its own is named there', () => {
  const own = resolved.validation!;
  const [path] = own.reshards!;
  const [node] = Object.keys(own.assignments!);
  test.each<[string, string, NonNullable<Plan['validation']>]>([
    ['reshard/no-such-move', 'reshards.0.by.0', { reshards: own.reshards!.with(0, { ...path, by: ['teleport'] }) }],
    ['reshard/path-ends-elsewhere', 'reshards.0.by', { reshards: own.reshards!.with(0, { ...path, by: [] }) }],
    ['partition/unused-path', 'reshards.0', { reshards: own.reshards!.with(0, { ...path, of: 'i32[nothing=1]' }) }],
    ['partition/unknown-node', 'assignments.nobody/add.0', { assignments: { 'nobody/add.0': { split: {} } } }],
    [
      'partition/illegal-assignment',
      `assignments.${node}.split.nothing`,
      { assignments: { ...own.assignments, [node]: { split: { nothing: 'data' } } } },
    ],
  ])('%s', (code, field, change) => {
    const told = refusalOf({ ...resolved, validation: { ...own, ...change } });
    expect(told).toMatchObject({ code, where: [{ at: 'plan', note: `field validation.${field}` }] });
  });
});
