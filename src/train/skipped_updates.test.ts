import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SkippedUpdates, skipWindow } from './skipped_updates.js';

const outcome = (skipped: boolean) => ({
  step: 0,
  loss: 1,
  terms: {},
  tokens: 1,
  gradNorm: 1,
  skipped,
  lr: 1,
  seconds: 1,
});

test('a run ends where most of a window was left out, and not before, and never for what is rare', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 80 }), (steps) => {
      const skips = new SkippedUpdates();
      steps.forEach((skipped, i) => {
        skips.note(outcome(skipped));
        const last = steps.slice(Math.max(0, i + 1 - skipWindow), i + 1);
        const most = last.filter(Boolean).length * 2 > skipWindow;
        expect(skips.tooMany).toBe(i + 1 >= skipWindow && most && skipped);
      });
      expect(skips.count).toBe(steps.filter(Boolean).length);
      expect(skips.mostOfAll).toBe(skips.count * 2 > steps.length);
    }),
  );
});

test('59 of 60 left out end it at the twentieth step; one of three, and one in ten, do not', () => {
  const endsAt = (steps: readonly boolean[]): number | null => {
    const skips = new SkippedUpdates();
    for (const [i, skipped] of steps.entries()) {
      skips.note(outcome(skipped));
      if (skips.tooMany) return i + 1;
    }
    return skips.mostOfAll ? steps.length : null;
  };
  expect(endsAt(Array.from({ length: 60 }, (_, i) => i > 0))).toBe(20);
  expect(endsAt([true, false, false])).toBeNull();
  expect(endsAt([true, true, false])).toBe(3);
  expect(endsAt(Array.from({ length: 200 }, (_, i) => i % 10 === 0))).toBeNull();
});
