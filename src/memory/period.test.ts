import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scheduleKinds, generateSchedule, defaultVirtualStages } from '../schedule/kinds.js';
import { slotsOf } from '../schedule/slot.js';
import { periodOf, withoutPeriods } from './period.js';

type Step = { readonly template: string; readonly microbatch: number };

const stepsOf = (kind: string, groups: number, microbatches: number): readonly (readonly Step[])[] => {
  const virtualStages = defaultVirtualStages(scheduleKinds.get(kind)!);
  return generateSchedule(kind, { groups, virtualStages, microbatches }).map((entries) =>
    entries
      .flatMap(slotsOf)
      .map(({ chunk, direction, microbatch }) => ({ template: `${direction} ${chunk}`, microbatch })),
  );
};

test('1f1b on two groups moves on one microbatch every two slots', () => {
  const [first] = stepsOf('1f1b', 2, 12);
  expect(periodOf(first)).toMatchObject({ steps: 2, microbatches: 1 });
  expect(periodOf(first.slice(0, 7))).toBeNull();
});

test('without periods, a schedule does the same for each of fewer microbatches', () => {
  const kinds = [...scheduleKinds.keys()].filter((kind) => kind !== 'gpipe');
  const cases = fc.record({
    kind: fc.constantFrom(...kinds),
    groups: fc.integer({ min: 1, max: 4 }),
    microbatches: fc.integer({ min: 40, max: 60 }),
    removed: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(cases, ({ kind, groups, microbatches, removed }) => {
      for (const steps of stepsOf(kind, groups, microbatches)) {
        const period = periodOf(steps);
        if (!period) continue;
        const short = withoutPeriods(steps, period, removed);
        const left = microbatches - removed * period.microbatches;
        const workOf = (list: readonly Step[], microbatch: number) =>
          list
            .filter((step) => step.microbatch === microbatch)
            .map(({ template }) => template)
            .sort();
        expect(new Set(short.map(({ microbatch }) => microbatch)).size).toBe(left);
        for (let m = 0; m < left; m++) expect(workOf(short, m)).toEqual(workOf(steps, 0));
      }
    }),
  );
});
