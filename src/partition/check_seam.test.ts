/** The seam of step and update: one layout stated otherwise on either side is told, whichever value it is of. */
import { expect, test } from 'vitest';
import { mlp } from '../../tests/scenarios/mlp.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { checkSeam } from './check_seam.js';
import type { PlacedGraph } from './placed.js';

const scenario = buildScenario({
  ...mlp({ batch: 4, dim: 4, hidden: 4, update: 'adamw' }),
  mesh: { data: 2 },
  split: { batch: ['data'] },
  microbatches: 2,
  zero: { stage: 3, axes: ['data'] },
});
const { step } = scenario.placed;
const update = scenario.placed.update!;

/** A value said to be whole and summed where it is split or partial, and the reverse. */
const turned = (graph: PlacedGraph, id: number): PlacedGraph => ({
  ...graph,
  values: graph.values.map((value) => {
    if (value.id !== id) return value;
    const lies = Object.keys(value.layout.partial).length + Object.keys(value.layout.splits).length > 0;
    return { ...value, layout: { splits: {}, partial: lies ? {} : { data: 'sum' as const } } };
  }),
});

test('what the partitioner makes meets', () => {
  expect(checkSeam(step, update)).toEqual([]);
});

test('every sum that the update reads, on either side', () => {
  const sums = update.inputs.filter(({ kind }) => kind === 'value');
  expect(sums.map(({ name }) => name)).toContain('tokens');
  for (const { name, value } of sums) {
    const [fault] = checkSeam(step, turned(update, value));
    expect(fault.message, name).toContain(`'${name}' is`);
    const left = step.outputs.find((output) => output.name === name)!.value;
    const others = checkSeam(turned(step, left), update);
    expect(others[0].code, name).toBe('partition/seam-differs');
  }
});

test('a sum that the step does not give, and state that is updated into another layout', () => {
  expect(checkSeam({ ...step, outputs: [] }, update)[0].message).toContain('nothing of that group');
  const state = update.inputs.find(({ kind }) => kind === 'state')!;
  const after = update.outputs.find(({ name }) => name === state.name)!;
  expect(checkSeam(step, turned(update, after.value))[0].message).toContain(state.name);
});
