/** What a class says of its buckets: a host writes zeros where a table says that there is padding, and reads nothing from there. */
import { expect, test } from 'vitest';
import { editValue } from '../../bench/mutants/edit.js';
import { mlp } from '../../tests/scenarios/mlp.js';
import { buildScenario } from '../../tests/scenarios/scenario.js';
import { ops } from '../ops/index.js';
import type { PackedTensor } from '../partition/packing.js';
import { verifyProgram } from './index.js';

const { program, placed } = buildScenario({
  ...mlp({ batch: 4, dim: 3, hidden: 4, update: 'adamw' }),
  mesh: { data: 2 },
  split: { batch: ['data'] },
  zero: { stage: 3, axes: ['data'] },
});
const { values } = program.classes[0];
const tables = values.flatMap(({ name, tensors }, index) =>
  (tensors ?? []).map((tensor, k) => ({ name, index, k, tensor })),
);

test('each tensor of each table counts as it is', () => {
  expect(verifyProgram(program, placed, ops)).toEqual([]);
  expect(tables.filter(({ tensor }) => tensor.isPadding).length).toBeGreaterThan(0);
  for (const { name, index, k, tensor } of tables) {
    const { isPadding, ...bare } = tensor;
    const turned: PackedTensor = isPadding ? bare : { ...bare, isPadding: true };
    const changed = editValue(program, 0, index, (value) => ({
      ...value,
      tensors: value.tensors!.map((one, i) => (i === k ? turned : one)),
    }));
    const [fault] = verifyProgram(changed, placed, ops);
    expect(fault?.code, tensor.name).toBe('program/boundary-differs');
    expect(fault.message).toContain(`'${name}' is said to hold`);
  }
});
