import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stateAt } from '../checkpoint/testing.js';
import type { Manifest } from '../checkpoint/index.js';
import { countersAt, countersOf } from './counters.js';

const context = 32;
const counting = (begins: ReturnType<typeof countersOf>, sequences: number) => ({
  begins,
  config: { batch: { sequences } },
  tokensPerStep: sequences * context,
});

test('however batches change, samples and tokens are the sums of what was read', () => {
  const session = fc.record({ sequences: fc.integer({ min: 1, max: 64 }), steps: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(session, { maxLength: 6 }), (sessions) => {
      let at = countersOf(null, context);
      let [step, samples] = [0, 0];
      for (const { sequences, steps } of sessions) {
        for (let k = 0; k < steps; k++) samples += sequences;
        step += steps;
        at = countersAt(counting(at, sequences), step);
      }
      expect(at).toEqual({ step, samples, tokens: samples * context });
    }),
  );
});

test('a checkpoint of format 1 says its samples by its tokens', () => {
  const { samples_seen: _, ...state } = stateAt(10);
  expect(countersOf({ ...state, tokens_seen: 4 * 8 * context } as Manifest, context).samples).toBe(32);
});
