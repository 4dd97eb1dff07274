/** What the set-up tells of itself accounts for the time that it takes. */
import { afterAll, expect, test } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import type { TrainEvent } from '../../src/train/events.js';
import { onNative, Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

/** Seconds from the first event to the first step, and those of them that no part of the set-up accounts for. */
function setUp(events: readonly TrainEvent[]): { readonly all: number; readonly silent: number } {
  const startedAt = events.find(({ kind }) => kind === 'started')!.at;
  const parts = events.flatMap((event) => (event.kind === 'setup_finished' ? [event] : []));
  const compiled = events.find((event) => event.kind === 'compiled')!;
  const compilingAt = events.find((event) => event.kind === 'setup_started' && event.part === 'compiling')!.at;
  const spans = [
    ...parts.map(({ at, seconds }) => [at - 1000 * seconds, at]),
    [compilingAt, compilingAt + 1000 * compiled.seconds],
  ].sort(([a], [b]) => a - b);
  let [until, silent] = [events[0].at, 0];
  for (const [from, to] of spans) {
    silent += Math.max(0, from - until);
    until = Math.max(until, to);
  }
  silent += Math.max(0, startedAt - until);
  return { all: (startedAt - events[0].at) / 1000, silent: silent / 1000 };
}

/** A busy machine stretches what lies between two parts as it does the parts. */
const expectTold = ({ all, silent }: ReturnType<typeof setUp>) => expect(silent).toBeLessThan(0.1 + 0.15 * all);

const started = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.kind === 'setup_started' ? [event.part] : []));

test('every part of a set-up is told, of a new run and of one that is gone on with', async () => {
  const { events } = await work.train('spans', { steps: 1 });
  expectTold(setUp(events));
  expect(events[0]).toMatchObject({ kind: 'setup_finished', part: 'program' });
  expect(started(events)).toEqual(
    expect.arrayContaining(['data: reading', 'model and plan', 'compiling', 'engine: opening', 'first weights']),
  );
  const resumed = await work.resume('spans', ['steps=2']);
  expectTold(setUp(resumed.events));
  expect(started(resumed.events)).toEqual(
    expect.arrayContaining(['checkpoint: checking', 'compiling', 'checkpoint: loading']),
  );
});

testOfRanks(2)('so it is of ranks that are processes of their own', async () => {
  const { events } = await work.train('processes', { ...onNative, ranks: 2, steps: 1 });
  expectTold(setUp(events));
  expect(started(events)).toEqual(
    expect.arrayContaining(['matmul peak', 'starting 2 ranks', 'compiling', 'engine: opening', 'first weights']),
  );
});
