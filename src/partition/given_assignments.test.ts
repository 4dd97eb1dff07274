/** What a plan fixes for nodes by name, and what of it is refused. */
import { expect, test } from 'vitest';
import { DiagnosticError } from '../ir/diagnostic.js';
import { parseGraph } from '../ir/parse.js';
import { ops } from '../ops/index.js';
import type { PlannedAssignments } from '../plan/plan.js';
import { defaultCosts } from './costs.js';
import { parsePlan, printBlocks } from './example.js';
import { GivenAssignments } from './given_assignments.js';
import { partition, type Partitioned } from './partition.js';
import { stepPlacement } from './placement.js';

/** Examples have one segment, which is not named. */
const mlp = `
  func @mlp(
    %x: data f32[token=8, dim=4],
    %up: parameter f32[dim=4, hidden=16],
    %down: parameter f32[hidden=16, dim=4],
    %labels: data i32[token=8]
  ) {
    %0 = einsum(%x, %up) {to=[token, hidden]} : f32[token=8, hidden=16] ; blocks.0.up forward -
    %1 = gelu(%0) {exact=false} : f32[token=8, hidden=16] ; blocks.0 forward -
    %2 = einsum(%1, %down) {to=[token, dim]} : f32[token=8, dim=4] ; blocks.0.down forward -
    %3 = relu(%2) : f32[token=8, dim=4] ; blocks.1 forward -
    %4, %5 = softmax_cross_entropy(%3, %labels) {letters=["v=dim"]} : f32[token=8], f32[token=8] ; head forward -
    return y=%4
  }`;

function place(assignments: PlannedAssignments, { split = 'hidden: tensor' } = {}): Partitioned {
  const plan = parsePlan(`mesh {data: 2, tensor: 2}\n${split}`);
  const graph = parseGraph(mlp, ops);
  const placement = stepPlacement(plan, graph);
  const given = new GivenAssignments(assignments);
  const made = partition(graph, ops, placement, defaultCosts(), { given });
  given.expectAllFound(Object.keys(made.assignments));
  return made;
}

test('every node has a name that tells where it is, and the map of what was chosen has them all', () => {
  expect(place({}).assignments).toEqual({
    'blocks.0.up/einsum.0': { split: { hidden: 'tensor' } },
    'blocks.0/gelu.0': { split: { hidden: 'tensor' } },
    'blocks.0.down/einsum.0': { split: { hidden: 'tensor' } },
    'blocks.1/relu.0': { split: {} },
    'head/softmax_cross_entropy.0': { split: {} },
  });
});

test('parts of a decomposed op are named behind it', () => {
  const { assignments } = place({ 'head/softmax_cross_entropy.0': { split: { dim: 'tensor' } } });
  expect(Object.keys(assignments).slice(4, 8)).toEqual([
    'head/softmax_cross_entropy.0',
    'head/softmax_cross_entropy.0/max.0',
    'head/softmax_cross_entropy.0/sub.0',
    'head/softmax_cross_entropy.0/exp.0',
  ]);
});

test('what is fixed is done, and the rest is chosen around it', () => {
  const made = place({ 'blocks.*/gelu.0': { split: { token: 'data*tensor' } } });
  expect(printBlocks(made.placed)).toMatch(/gelu\(%2\) +: f32\[token=2, hidden=16\] \{token:data\*tensor\}/);
  expect(made.choices.length).toBeGreaterThan(0);
  // Nothing is left open.
  expect(place(made.assignments)).toEqual({ ...made, choices: [] });
});

test('a sum passes through an op that is linear in its operand, where it is told to', () => {
  const { placed } = place({
    'blocks.0.down/einsum.0': { split: { hidden: 'tensor' } },
    'blocks.1/relu.0': { split: { token: 'tensor' } },
  });
  expect(printBlocks(placed)).toContain('reduce_scatter(');
});

test('a name goes before a pattern, and a pattern with fewer stars before one with more', () => {
  const given = new GivenAssignments({
    'a.*.b.*/add.0': { split: { x: 'all' } },
    'a.1.b.*/add.0': { split: { x: 'some' } },
    'a.1.b.2/add.0': { split: { x: 'one' } },
  });
  expect(['a.0.b.0', 'a.1.b.0', 'a.1.b.2', 'a.b'].map((path) => given.find(`${path}/add.0`)?.key ?? null)).toEqual([
    'a.*.b.*/add.0',
    'a.1.b.*/add.0',
    'a.1.b.2/add.0',
    null,
  ]);
});

const refused: readonly [what: string, assignments: PlannedAssignments, code: string, field: string, fix: string][] = [
  [
    'an unknown node',
    { 'blocks.0/gela.0': {} },
    'partition/unknown-node',
    'assignments.blocks.0/gela.0',
    "write 'blocks.0/gelu.0'",
  ],
  [
    'an unknown pattern',
    { 'block.*/gelu.0': {} },
    'partition/unknown-node',
    'assignments.block.*/gelu.0',
    "write 'blocks.*/gelu.0'",
  ],
  [
    'a part of what is not decomposed',
    { 'head/softmax_cross_entropy.0/max.0': {} },
    'partition/unknown-node',
    'assignments.head/softmax_cross_entropy.0/max.0',
    'remove it',
  ],
  [
    'an unknown factor',
    { 'blocks.0/gelu.0': { split: { hiden: 'tensor' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0/gelu.0.split.hiden',
    "write 'hidden'",
  ],
  [
    'an unknown axis',
    { 'blocks.0/gelu.0': { split: { hidden: 'tensr' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0/gelu.0.split.hidden',
    "write 'tensor'",
  ],
  [
    'no axes at all',
    { 'blocks.0/gelu.0': { split: { hidden: 'a b' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0/gelu.0.split.hidden',
    'write axes',
  ],
  [
    'an axis with two roles',
    { 'blocks.0/gelu.0': { split: { hidden: 'tensor', token: 'tensor' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0/gelu.0.split',
    'give each axis one factor',
  ],
  [
    'an axis that splits and carries a sum',
    { 'blocks.0.up/einsum.0': { split: { hidden: 'tensor' }, through: { tensor: 'x0' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0.up/einsum.0.split',
    'give each axis one factor',
  ],
  [
    'bounds that do not cut the factor',
    { 'blocks.0/gelu.0': { split: { hidden: 'tensor[0,4,15]' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0/gelu.0.split.hidden',
    'cut no factor',
  ],
  [
    'a sum through what is not linear',
    { 'blocks.0/gelu.0': { split: {}, through: { tensor: 'x' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0/gelu.0.through.tensor',
    'remove it',
  ],
  [
    'a sum through both factors of a product',
    { 'blocks.0.up/einsum.0': { split: {}, through: { tensor: 'x0 x1' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0.up/einsum.0.through.tensor',
    "write 'x0' or 'x1'",
  ],
  [
    'a sum through an op of which nothing else is said',
    { 'blocks.0.up/einsum.0': { through: { tensor: 'x0' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0.up/einsum.0.through',
    'add assignments.blocks.0.up/einsum.0.split',
  ],
  [
    'a version that there is not',
    { 'blocks.0/gelu.0': { split: {}, from: { x: '{token:data} @0' } } },
    'partition/no-such-version',
    'assignments.blocks.0/gelu.0.from.x',
    "write '{hidden:tensor} @0'",
  ],
  [
    'where an operand comes from that there is not',
    { 'blocks.0/gelu.0': { split: {}, from: { y: '{hidden:tensor} @0' } } },
    'partition/illegal-assignment',
    'assignments.blocks.0/gelu.0.from.y',
    "write 'x'",
  ],
];

test.each(refused)('%s is refused', (_, assignments, code, field, fix) => {
  const error = refusal(() => place(assignments));
  expect(error.code).toBe(code);
  expect(error.message).toContain(`field ${field})`);
  expect(error.message).toContain(fix);
});

test('a factor that must be whole is refused where the op has no decomposition', () => {
  const graph = parseGraph(
    `
    func @counts(%x: data f32[token=4, dim=4]) {
      %0 = cumsum(%x) {factor=token} : f32[token=4, dim=4] ; head forward -
      return y=%0
    }`,
    ops,
  );
  const placement = stepPlacement(parsePlan('mesh {data: 2}'), graph);
  const given = new GivenAssignments({ 'head/cumsum.0': { split: { token: 'data' } } });
  const error = refusal(() => partition(graph, ops, placement, defaultCosts(), { given }));
  expect(error.message).toContain("cumsum splits 'token', which its kernel needs whole");
  expect(error.message).toContain('field assignments.head/cumsum.0.split.token)');
});

function refusal(body: () => unknown): DiagnosticError {
  try {
    body();
  } catch (error) {
    if (error instanceof DiagnosticError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
