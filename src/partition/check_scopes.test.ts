/** The checker of scopes: one value said to be kept for longer or less long than it is read, anywhere in a step that makes residuals again. */
import { expect, test } from 'vitest';
import { languageModel } from '../../tests/scenarios/language_model.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { GPT } from '../nn/models/index.js';
import type { Scope } from '../plan/scope.js';
import { checkScopes } from './check_scopes.js';
import { makersOf, type PlacedGraph, type PlacedId } from './placed.js';
import { segmentChunks } from './placement.js';

const model = new GPT({ layers: 1, dim: 4, heads: 2, context: 2, vocab: 4, dropout: 0.3 });
const { plan, placed } = buildScenario({
  ...languageModel(model, { batch: 2, sequence: 2 }),
  mesh: { data: 2 },
  split: { batch: ['data'] },
  microbatches: 2,
  zero: { stage: 3, axes: ['data'] },
  scopes: [{ of: '*', made: 'again', keep: 'backward', ops: 'all' }],
  memory: { moves: 0, searchNodes: 0 },
});
const graph = placed.step;
const makers = makersOf(graph);
const told = (changed: PlacedGraph): readonly string[] =>
  checkScopes(changed, segmentChunks(plan)).map(({ code }) => code);
const kept = (id: PlacedId, scope: Scope): PlacedGraph => ({
  ...graph,
  values: graph.values.map((value) => (value.id === id ? { ...value, scope } : value)),
});

test('what the partitioner makes is there wherever it is read', () => {
  expect(told(graph)).toEqual([]);
  expect(new Set(graph.values.map(({ scope }) => scope))).toContain('backward');
});

test('a value that is read elsewhere is not made for one segment and direction', () => {
  const place = ({ source: { segment, phase } }: PlacedGraph['steps'][number]) => `${segment} ${phase}`;
  const given = new Set(graph.outputs.map(({ value }) => value));
  let elsewhere = 0;
  for (const [id, maker] of makers) {
    const leaves = graph.steps.some((step) => step.inputs.includes(id) && place(step) !== place(maker));
    const broken = leaves || given.has(id);
    expect(told(kept(id, 'segment and direction')).length > 0, graph.values[id].name).toBe(broken);
    if (broken) elsewhere++;
  }
  expect(elsewhere).toBeGreaterThan(8);
});

test('what a microbatch makes is not kept for the step, which begins with parameters and scalars', () => {
  const microbatch = new Set(graph.inputs.filter(({ kind }) => kind === 'data').map(({ value }) => value));
  for (const step of graph.steps)
    if (step.inputs.some((id) => microbatch.has(id))) step.outputs.forEach((id) => microbatch.add(id));
  for (const [id, { outputs }] of makers) {
    const codes = told(kept(id, 'step'));
    expect(codes.includes('partition/scope-broken'), graph.values[id].name).toBe(
      outputs.some((one) => microbatch.has(one)),
    );
  }
});

test('nothing that is made again is given', () => {
  const again = graph.values.filter(({ scope }) => scope === 'backward');
  for (const { id } of again) {
    const outputs = [{ ...graph.outputs[0], value: id }, ...graph.outputs.slice(1)];
    expect(told({ ...graph, outputs })).toContain('partition/scope-broken');
  }
});

test('a residual that is made again is not read in the forward of another microbatch, nor by it', () => {
  const again = graph.values.find(({ scope }) => scope === 'backward')!;
  const at = graph.steps.findIndex(({ source, kind }) => kind === 'op' && source.phase === 'forward');
  const reader = graph.steps[graph.steps.length - 1];
  const steps = [...graph.steps, { ...reader, source: graph.steps[at].source, inputs: [again.id] } as typeof reader];
  expect(told({ ...graph, steps })).toContain('partition/scope-broken');
});
