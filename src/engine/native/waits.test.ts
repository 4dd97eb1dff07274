/**
 * A wait that runs out is no failure of what it waits for. Polls here run out in the very moment in which the work ends, or after a millisecond, while
 * work ends at any time. `RUNS=10000 npx vitest run src/engine/native/waits.test.ts` waits so often for each kind of communication.
 */
import { describe, expect, test } from 'vitest';
import type { AddonEngine } from './bridge.js';
import type { NativeError } from './diagnostics.js';
import type { NativeLaunch } from './loaded_program.js';
import { edgeBackend, impatientStreams } from './testing/doubles.js';
import { openRanks, readBytes, type RankOptions } from './testing/ranks.js';
import { collective, decode, encode, fill, view } from './testing/views.js';

const waits = Number(process.env.RUNS ?? 200);
const numbers = view('f32', 0, 4);
const halves = [view('f32', 0, 2), view('f32', 8, 2)];
const result = view('f32', 64, 4);
const workAt = 1 << 12;
/** Elements whose filling takes some two milliseconds. */
const mostWork = 1 << 22;

/** One communication of two ranks that hold [1, 2, 3, 4] times rank + 1, and what each then holds at `result`. */
interface Kind {
  readonly launches: (rank: number) => readonly NativeLaunch[];
  readonly gives: (rank: number) => readonly number[];
}

const counts = { inputCounts: [1, 3], outputCounts: [1, 3] };
const kinds: Readonly<Record<string, Kind>> = {
  all_reduce: { launches: () => [collective('all_reduce', numbers, result)], gives: () => [3, 6, 9, 12] },
  broadcast: { launches: () => [collective('broadcast', numbers, result, { root: 1 })], gives: () => [2, 4, 6, 8] },
  all_gather: {
    launches: () => [collective('all_gather', halves[0], result, { outputCounts: [2, 2] })],
    gives: () => [1, 2, 2, 4],
  },
  reduce_scatter: {
    launches: () => [
      collective('reduce_scatter', numbers, view('f32', 64, 2), {
        inputCounts: [2, 2],
        scratch: { offset: 192, bytes: 8 },
      }),
    ],
    gives: (rank) => [...(rank === 0 ? [3, 6] : [9, 12]), 0, 0],
  },
  all_to_all: {
    launches: (rank) => [
      collective('all_to_all', numbers, view('f32', 64, rank === 0 ? 2 : 6), {
        ...counts,
        outputCounts: rank === 0 ? [1, 1] : [3, 3],
      }),
    ],
    gives: (rank) => (rank === 0 ? [1, 2, 0, 0] : [2, 3, 4, 4]),
  },
  permute: {
    launches: (rank) => [collective('permute', numbers, result, { peers: { to: 1 - rank, from: 1 - rank } })],
    gives: (rank) => [1, 2, 3, 4].map((x) => x * (2 - rank)),
  },
  'send and recv': {
    launches: (rank) => [
      { kind: 'send', peer: 1 - rank, tag: 0, view: numbers, event: 1, at: 'test.send' },
      { kind: 'recv', peer: 1 - rank, tag: 0, view: result, event: 0, at: 'test.recv' },
      { kind: 'wait', event: 1, at: 'test.wait' },
    ],
    gives: (rank) => [1, 2, 3, 4].map((x) => x * (2 - rank)),
  },
};

/** A step of many waits, in each of which one rank comes up to two milliseconds after the other. */
function lateInTurns(rank: number, launches: readonly NativeLaunch[], times: number): readonly NativeLaunch[] {
  const late = (turn: number): readonly NativeLaunch[] => {
    if (turn % 2 !== rank) return [];
    const elements = Math.ceil((((turn * 7919) % 1009) / 1009) * mostWork);
    return [fill(view('f32', workAt, elements), turn)];
  };
  return Array.from({ length: times }, (_, turn) => [...late(turn), ...launches, wait]).flat();
}

async function inPairs<T>(options: RankOptions, body: (engines: AddonEngine[]) => Promise<T>): Promise<T> {
  const engines = await openRanks(2, workAt + 4 * mostWork, options);
  try {
    return await body(engines);
  } catch (error) {
    engines.forEach((engine) => engine.abort('the test has failed'));
    throw error;
  } finally {
    engines.forEach((engine) => engine.close());
  }
}

const groups = [{ id: 0, ranks: [0, 1] }];
const wait: NativeLaunch = { kind: 'wait', event: 0, at: 'test.wait' };

/** Runs steps of a hundred waits, and sees that waiting took long enough for polls to run out, and what came of it. */
async function waitInTurns(engines: readonly AddonEngine[], kind: Kind): Promise<void> {
  const steps = Math.ceil(waits / 100);
  const loaded = await Promise.all(
    engines.map(async (engine, rank) => {
      const given = [1, 2, 3, 4].map((x) => x * (rank + 1));
      await engine.write(0, encode('f32', given));
      return engine.load({ groups, launches: lateInTurns(rank, kind.launches(rank), 100) });
    }),
  );
  let waited = 0;
  for (let step = 0; step < steps; step++) {
    const reports = await Promise.all(loaded.map((program) => program.run()));
    waited += reports.reduce((sum, { waitSeconds }) => sum + waitSeconds, 0);
  }
  expect(waited / (100 * steps)).toBeGreaterThan(2e-4);
  for (const [rank, engine] of engines.entries())
    expect(decode('f32', await readBytes(engine, 64, 16))).toEqual(kind.gives(rank));
}

const polls = { 'that runs out at its end': edgeBackend(), 'of a millisecond': impatientStreams(1) };

describe.each(Object.entries(polls))('with a poll %s', (_, doubles) => {
  test.each(Object.entries(kinds))('%s is a success whenever it ends', (_, kind) =>
    inPairs(doubles, (engines) => waitInTurns(engines, kind)),
  );

  test('work that fails is a failure, with its own words', async () => {
    for (const operationTimeoutSeconds of [0.019, 0.02, 0.021]) {
      await inPairs({ ...doubles, operationTimeoutSeconds }, async ([alone, absent]) => {
        const launches = [...kinds.all_reduce.launches(0), wait];
        const [program] = await Promise.all([alone.load({ groups, launches }), absent.load({ groups, launches: [] })]);
        const error = await program.run().catch((reason: unknown) => reason);
        expect(error).toMatchObject({ code: 'engine/collective-failed' });
        expect((error as NativeError).diagnostic.why).toMatch(/Timed out waiting (19|20|21)ms/);
      });
    }
  });
});

test('a key that was written before the deadline is read, however near', async () => {
  await inPairs({}, async ([reader, writer]) => {
    const timeout = 0.02;
    let [read, missed] = [0, 0];
    for (let turn = 0; turn < waits / 3; turn++) {
      const key = `key ${turn}`;
      const asked = performance.now();
      const got = reader.storeGet(key, timeout).then(
        () => true,
        () => false,
      );
      const delay = 1000 * timeout * (0.8 + 0.25 * ((turn % 17) / 17));
      while (performance.now() - asked < delay) await new Promise((resolve) => setImmediate(resolve));
      await writer.storeSet(key, 'x');
      const inTime = performance.now() - asked < 1000 * timeout;
      const found = await got;
      if (inTime) expect(found).toBe(true);
      if (found) read++;
      else missed++;
    }
    expect([read > 0, missed > 0]).toEqual([true, true]);
  });
});
