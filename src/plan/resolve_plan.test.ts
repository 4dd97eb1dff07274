/** What is equal in several layers is written once, and read again as it was. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GivenAssignments } from '../partition/given_assignments.js';
import type { PlannedAssignment } from './plan.js';
import { foldAssignments } from './resolve_plan.js';

test('layers that are alike are one entry; another stands beside it by its name', () => {
  const split = (axis: string) => ({ split: { hidden: axis } });
  expect(
    foldAssignments({
      'embedding/gather.0': split('data'),
      'blocks.0.mlp/gelu.0': split('tensor'),
      'blocks.1.mlp/gelu.0': split('tensor'),
      'blocks.2.mlp/gelu.0': split('data'),
      'bucket.0/update/adamw.0': split('data'),
    }),
  ).toEqual({
    'embedding/gather.0': split('data'),
    'blocks.*.mlp/gelu.0': split('tensor'),
    'blocks.2.mlp/gelu.0': split('data'),
    'bucket.0/update/adamw.0': split('data'),
  });
});

test('any assignments are found again by their names', () => {
  const anyName = fc
    .tuple(
      fc.constantFrom('a', 'a.b', 'bucket'),
      fc.array(fc.nat(3), { maxLength: 3 }),
      fc.constantFrom('x.0', 'x.0/y.1'),
    )
    .map(([path, numbers, op]) => `${[path, ...numbers].join('.')}/${op}`);
  const anyAssignment = fc.constantFrom<PlannedAssignment>(
    { split: {} },
    { split: { f: 'data' } },
    { split: { f: 'tensor' } },
  );
  fc.assert(
    fc.property(fc.dictionary(anyName, anyAssignment), (assignments) => {
      const folded = new GivenAssignments(foldAssignments(assignments));
      for (const [name, assignment] of Object.entries(assignments))
        expect(folded.find(name)?.assignment).toEqual(assignment);
    }),
  );
});
