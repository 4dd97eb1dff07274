/** When two plans are said to share a microbatch alike. */
import { expect, test } from 'vitest';
import type { PlanGroup } from './plan.js';
import { sharingOf } from './reproducible.js';

type Split = Readonly<Record<string, readonly string[]>>;

const sharing = (split: Split, mesh: PlanGroup['mesh']): string =>
  sharingOf({
    groups: { g0: { mesh } },
    split,
    bounds: {},
    batch: { logical_microbatches: 1, sequences: 2, padding: 0 },
  });

test('ranks that share experts by sequences do not do as those that share them by microbatches', () => {
  const bySequence = { microbatch: ['data'], sequence: ['context'], experts: ['context'] };
  const byMicrobatch = { microbatch: ['data'], sequence: ['context'], experts: ['data'] };
  const mesh = { data: 2, context: 2 };
  expect(sharing(bySequence, mesh)).not.toBe(sharing(byMicrobatch, mesh));
  expect(sharing(bySequence, { context: 2 })).toBe(sharing(bySequence, { ...mesh, data: 3 }));
});

test('axes that deal out microbatches alone may be of any size, whatever they are called', () => {
  const apart = { microbatch: ['data.replica', 'data.expert'], experts: ['data.expert'] };
  const together = { experts: ['data'], microbatch: ['data'] };
  expect(sharing(apart, { 'data.replica': 3, 'data.expert': 2 })).toBe(sharing(together, { data: 2 }));
});
