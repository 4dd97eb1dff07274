import { expect, test } from 'vitest';
import { layoutFault } from '../ir/layout.js';
import { mesh } from '../ir/mesh.js';
import { tensorType } from '../ir/type.js';
import type { Plan } from '../plan/plan.js';
import { storageLayout } from './storage.js';

test('boundaries of a factor over two axes, of which another factor has one, are none for the axis that is left', () => {
  const two = mesh({ tensor: 2, context: 2 });
  const plan = {
    split: { heads: ['tensor'], sequence: ['context', 'tensor'] },
    bounds: { sequence: [0, 1, 5, 6, 8] },
  } as unknown as Plan;
  const alone = storageLayout(plan, two, tensorType('f32', { sequence: 8 }));
  expect(alone.splits).toEqual({ sequence: { axes: ['context', 'tensor'], bounds: [0, 1, 5, 6, 8] } });
  const type = tensorType('f32', { heads: 2, sequence: 8 });
  const beside = storageLayout(plan, two, type);
  expect(beside.splits).toEqual({ heads: { axes: ['tensor'] }, sequence: { axes: ['context'] } });
  expect(layoutFault(two, type, beside)).toBeNull();
});
