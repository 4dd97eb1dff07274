/** The checker of meanings: placed graphs of the partitioner pass, and one thing changed anywhere is told. */
import { describe, expect, test } from 'vitest';
import { languageModel } from '../../tests/scenarios/language_model.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { GPT, Mixtral } from '../nn/models/index.js';
import { ops } from '../ops/index.js';
import { pipelineOf } from '../plan/plan.js';
import { printLayout } from '../ir/layout.js';
import { printType } from '../ir/type.js';
import { checkMeaning } from './check_meaning.js';
import type { PlacedGraph, PlacedOp, PlacedStep } from './placed.js';

const model = new GPT({ layers: 2, dim: 4, heads: 2, context: 3, vocab: 6 });
const split = { batch: ['data'], hidden: ['tensor'], heads: ['tensor'], vocab: ['tensor'] };
const scenario = buildScenario({
  ...languageModel(model, { microbatches: 1, batch: 2, sequence: 3 }),
  target: 'cpu',
  mesh: { data: 2, tensor: 2 },
  split,
});
const graph = scenario.graphs.step;
const { step: placed, buckets } = scenario.placed;
const said = (changed: PlacedGraph): string =>
  checkMeaning(graph, changed, ops, buckets)
    .map(({ message }) => message)
    .join('\n');

const withStep = (at: number, step: PlacedStep): PlacedGraph => ({
  ...placed,
  steps: placed.steps.map((one, i) => (i === at ? step : one)),
});
const opSteps = placed.steps.flatMap((step, at) => (step.kind === 'op' ? [{ step, at }] : []));

describe('what the partitioner makes is what the graph says', () => {
  test('with ops decomposed and fused', () => {
    expect(said(placed)).toBe('');
    const names = opSteps.map(({ step }) => step.op);
    expect(names).toContain('einsum_add');
    const before = graph.nodes.map(({ op }) => op);
    expect(before).toContain('softmax_cross_entropy');
    expect(names).not.toContain('softmax_cross_entropy');
  });

  test('with experts, and over groups whose sums are parts', () => {
    const mixtral = new Mixtral({ layers: 2, dim: 4, heads: 2, context: 4, vocab: 6, experts: 2, hidden: 4 });
    const pipeline = pipelineOf([
      { segments: ['embedding', 'blocks.0'], mesh: { data: 2 } },
      { segments: ['blocks.1', 'head'], mesh: { tensor: 2 } },
    ]);
    const given = languageModel(mixtral, { microbatches: 1, batch: 2, sequence: 4 });
    // Placing asks the checker.
    expect(() => buildScenario({ ...given, pipeline, split, schedule: '1f1b', microbatches: 2 })).not.toThrow();
  });
});

describe('one thing changed is told', () => {
  test('an op in place of another', () => {
    const at = opSteps.find(({ step }) => step.op === 'exp')!;
    expect(said(withStep(at.at, { ...at.step, op: 'tanh' }))).toContain('partition/other-value');
  });

  test('an attribute, wherever there is a number', () => {
    let tried = 0;
    for (const { step, at } of opSteps) {
      const number = Object.entries(step.attributes).find(([, value]) => typeof value === 'number');
      // A backward takes its forward's attributes, and need not read them.
      if (!number || isUnread(step) || step.op.endsWith('_backward')) continue;
      const attributes = { ...step.attributes, [number[0]]: (number[1] as number) + 1 };
      expect(said(withStep(at, { ...step, attributes })), `${step.op} ${number[0]}`).not.toBe('');
      tried++;
    }
    expect(tried).toBeGreaterThan(5);
  });

  test('any rule that is not the one of its op, fused or not', () => {
    const tried = new Set<string>();
    for (const { step, at } of opSteps) {
      if (isUnread(step) || tried.has(step.op)) continue;
      tried.add(step.op);
      const { rule } = step;
      const changes = [
        { ...rule, linear: [...rule.linear, [0]] },
        { ...rule, origins: [...rule.origins, 'batch'] },
        { ...rule, reductions: rule.reductions.map((one) => (one === 'sum' ? ('max' as const) : ('sum' as const))) },
      ];
      for (const one of changes)
        expect(said(withStep(at, { ...step, rule: one })), `${step.op} ${JSON.stringify(one)}`).not.toBe('');
    }
    expect([...tried]).toEqual(expect.arrayContaining(['layer_norm', 'gelu', 'einsum_add', 'einsum']));
  });

  test('any operand exchanged for another value of its type and layout', () => {
    let tried = 0;
    for (const { step, at } of opSteps) {
      if (isUnread(step)) continue;
      step.inputs.forEach((input, k) => {
        const { type, layout, group } = placed.values[input];
        const other = placed.values.find(
          (value) =>
            value.id !== input &&
            value.group === group &&
            printType(value.type) === printType(type) &&
            printLayout(value.layout) === printLayout(layout) &&
            madeBefore(value.id, at) &&
            !isSame(value.id, input),
        );
        if (!other) return;
        const inputs = step.inputs.map((id, i) => (i === k ? other.id : id));
        expect(said(withStep(at, { ...step, inputs })), `${step.op} reads ${other.name}`).not.toBe('');
        tried++;
      });
    }
    expect(tried).toBeGreaterThan(50);
  });

  test('an output that is another value, and one that is missing', () => {
    const [first, ...rest] = placed.outputs;
    const other = rest.find(
      ({ value }) => printType(placed.values[value].type) === printType(placed.values[first.value].type),
    )!;
    expect(said({ ...placed, outputs: [{ ...first, value: other.value }, ...rest] })).toContain(
      'another value is given',
    );
    expect(said({ ...placed, outputs: rest })).toContain('nothing gives it');
  });
});

const madeBefore = (id: number, at: number): boolean =>
  placed.inputs.some(({ value }) => value === id) || placed.steps.findIndex(({ outputs }) => outputs.includes(id)) < at;

/** Whether two values are versions of one, or made alike of the same. */
function isSame(a: number, b: number): boolean {
  if (a === b) return true;
  const [made, other] = [a, b].map((id) => placed.steps.find(({ outputs }) => outputs.includes(id)));
  if (made && made.kind !== 'op') return isSame(made.inputs[0], b);
  if (other && other.kind !== 'op') return isSame(a, other.inputs[0]);
  if (made?.kind !== 'op' || other?.kind !== 'op' || made.op !== other.op) return false;
  return (
    JSON.stringify(made.attributes) === JSON.stringify(other.attributes) &&
    made.outputs.indexOf(a) === other.outputs.indexOf(b) &&
    made.inputs.every((input, i) => isSame(input, other.inputs[i]))
  );
}

/** Whether nothing that the graph gives depends on a step: a decomposition may make what nobody asked for. */
function isUnread(step: PlacedOp): boolean {
  const read = new Set<number>(placed.outputs.map(({ value }) => value));
  for (const one of [...placed.steps].reverse())
    if (one.outputs.some((id) => read.has(id))) one.inputs.forEach((id) => read.add(id));
  return !step.outputs.some((id) => read.has(id));
}
