/** The order of what happens between steps, and how a job of several processes stops. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sharedStore } from '../run/testing/shared_store.js';
import { trainLoop, type LoopPolicies } from './loop.js';
import { Stopping } from './stopping.js';
import type { StepOutcome } from './training_step.js';

const outcome = (step: number): StepOutcome => ({
  step,
  loss: 1,
  terms: {},
  tokens: 1,
  gradNorm: 1,
  skipped: false,
  lr: 1,
  seconds: 1,
});

/** Policies that take notes, and do nothing else. */
function noting(notes: string[], changes: Partial<LoopPolicies> = {}): LoopPolicies {
  return {
    runSteps: () => 4,
    stopping: { stopsHere: async () => false, stopsAfter: async () => false },
    step: async (step) => (notes.push(`step ${step}`), outcome(step)),
    told: ({ step }) => void notes.push(`told ${step}`),
    length: { isDue: () => false, decide: async () => {} },
    settled: async () => {},
    validation: { isDue: (done) => done % 2 === 0, measure: async (done) => void notes.push(`validation ${done}`) },
    saving: { isDue: (done) => done === 3, save: async (done) => void notes.push(`saved ${done}`) },
    ...changes,
  };
}

test('steps in order, each told before what is due after it', async () => {
  const notes: string[] = [];
  expect(await trainLoop(1, noting(notes))).toEqual({ done: 4, interrupted: false });
  expect(notes.join(', ')).toBe('step 1, told 1, validation 2, step 2, told 2, saved 3, step 3, told 3, validation 4');
});

test('a length that is decided on the way ends the run', async () => {
  const notes: string[] = [];
  let steps: number | null = null;
  const length = { isDue: (doneHere: number) => doneHere === 2, decide: async () => void (steps = 3) };
  expect(await trainLoop(0, noting(notes, { runSteps: () => steps, length }))).toEqual({ done: 3, interrupted: false });
});

test('processes that have all been asked before the first step begin none', async () => {
  const results = await Promise.all(
    sharedStore(3, () => Promise.resolve()).map((peers) => {
      const stopping = new Stopping(peers, { interrupted: () => true, signalled: () => true });
      return trainLoop(7, noting([], { runSteps: () => 1000, stopping }));
    }),
  );
  expect(results).toEqual(Array.from({ length: 3 }, () => ({ done: 7, interrupted: true })));
});

/** Ends when every process has come as far: what the collectives of a step do. */
function barrier(processes: number): () => Promise<void> {
  let waiting: (() => void)[] = [];
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length < processes) return;
      for (const go of waiting) go();
      waiting = [];
    });
}

test('whoever is asked to stop, and whenever, all processes stop after the same step', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ rank: fc.nat(3), at: fc.nat(60) }), { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat(4)),
      fc.nat(5),
      async (processes, requests, delays, batches) => {
        let now = 0;
        const moment = async () => {
          const { value } = delays.next() as { value: number };
          for (let i = 0; i <= value; i++) await Promise.resolve();
          now++;
        };
        const step = barrier(processes);
        const left: string[] = [];
        const results = await Promise.all(
          sharedStore(processes, moment).map((peers) => {
            const mine = requests.filter(({ rank }) => rank % processes === peers.rank);
            const stopping = new Stopping(peers, {
              interrupted: () => mine.some(({ at }) => at <= now),
              signalled: () => true,
            });
            const run = async (index: number) => {
              await moment();
              await step();
              return outcome(index);
            };
            // A validation after every second step, which binds no process to another, and can be left.
            const validation = {
              isDue: (done: number) => done % 2 === 0,
              async measure(done: number) {
                for (let batch = 0; batch < batches; batch++) {
                  if (await stopping.stopsHere(done)) return void left.push(`${done}.${batch}`);
                  await moment();
                }
              },
            };
            return trainLoop(0, noting([], { runSteps: () => 1000, stopping, step: run, validation }));
          }),
        );
        expect(new Set(results.map(({ done }) => done)).size).toBe(1);
        expect(results.every(({ interrupted }) => interrupted)).toBe(true);
        // Nobody is left alone in a validation.
        expect(left).toEqual(left.length > 0 ? Array.from({ length: processes }, () => left[0]) : []);
      },
    ),
  );
});
