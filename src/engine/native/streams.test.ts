/**
 * The executor over streams that run by themselves, as a GPU's do: threads that a seed holds and starves, and a backend with NCCL's rules.
 * Whole steps on them are in tests/native/threaded_streams.test.ts.
 */
import { expect, test } from 'vitest';
import type { AddonEngine } from './bridge.js';
import type { NativeLaunch, LaunchList } from './loaded_program.js';
import { loadTestingAddon, threadedStreams } from './testing/doubles.js';
import { openRanks, readBytes, runRanks } from './testing/ranks.js';
import { collective, decode, fill, view } from './testing/views.js';

const length = 64;
const [given, sum, copied] = [0, 1024, 2048].map((offset) => view('f32', offset, length));
const copy: NativeLaunch = { kind: 'copy', from: sum, to: copied, at: 'test' };
const wait = (event: number): NativeLaunch => ({ kind: 'wait', event, at: 'test' });

const program = (...launches: readonly NativeLaunch[]): LaunchList => ({
  groups: [{ id: 0, ranks: [0, 1] }],
  launches,
});
const all = async (engines: readonly AddonEngine[], wanted: number) => {
  const read = await Promise.all(engines.map((engine) => readBytes(engine, copied.offset, 4 * length)));
  return read.every((bytes) => decode('f32', bytes).every((value) => value === wanted));
};
const seeds = Array.from({ length: 12 }, (_, seed) => seed);

/** Two engines that have met, closed afterwards. */
async function withRanks<T>(
  doubles: Parameters<typeof openRanks>[2],
  body: (engines: readonly AddonEngine[]) => Promise<T>,
): Promise<T> {
  const engines = await openRanks(2, 1 << 14, doubles);
  try {
    return await body(engines);
  } catch (error) {
    // The other may wait for the one that failed.
    for (const engine of engines) engine.abort('the other rank failed');
    throw error;
  } finally {
    for (const engine of engines) engine.close();
  }
}

/** Whether every element is `wanted` in the end, under each seed: one after the other, since a process has few threads for engines that wait for each other. */
async function underSeeds(launched: LaunchList, wanted: number): Promise<readonly boolean[]> {
  const found: boolean[] = [];
  for (const seed of seeds)
    found.push(
      await withRanks(threadedStreams(seed), async (engines) => {
        await runRanks(engines, () => launched);
        return all(engines, wanted);
      }),
    );
  return found;
}

const reduced = (waits: readonly NativeLaunch[]) =>
  underSeeds(program(fill(given, 1), collective('all_reduce', given, sum), ...waits, copy), 2);

test('compute that waits for communication has its data under every schedule; without the wait some schedule shows it', async () => {
  expect(await reduced([wait(0)])).toEqual(seeds.map(() => true));
  expect(await reduced([])).toContain(false);
});

test('communication begins after what compute launched before it, and after communication on other lanes that it touches', async () => {
  const groups = [0, 1].map((id) => ({ id, ranks: [0, 1] }));
  const launches = [
    fill(given, 1),
    collective('all_reduce', given, sum),
    // Reads what the other lane writes; nobody says so.
    collective('all_reduce', sum, copied, { group: 1, event: 1 }),
  ];
  expect(await underSeeds({ groups, launches }, 4)).toEqual(seeds.map(() => true));
});

test('a host that polls the backend with timed waits aborts it, as NCCL would; one that lets the stream wait does not', async () => {
  const late = (doubles: Parameters<typeof openRanks>[2]) =>
    withRanks(doubles, async ([first, second]) => {
      const text = program(fill(given, 1), collective('all_reduce', given, sum), wait(0), copy);
      const loaded = await Promise.all([first.load(text), second.load(text)]);
      const early = loaded[0].run().then(
        () => null,
        (error: Error) => error.message,
      );
      await new Promise((resolve) => setTimeout(resolve, 1200));
      const failures = [early, loaded[1].run().then(() => null, String)];
      return Promise.all(failures);
    });
  const [polling] = await late({ addon: loadTestingAddon(), device: () => 'cpu', backend: 'strict' });
  expect(polling).toMatch(/a timed wait of 500 ms ran out, which aborts the communicator/);
  expect(await late(threadedStreams(3))).toEqual([null, null]);
});

test('collectives that members launch in unlike orders are told, with both', async () => {
  const part = { ...sum, sizes: [8] };
  const [whole, short] = [collective('all_reduce', sum, sum), collective('all_reduce', part, part, { event: 1 })];
  const failure = withRanks(threadedStreams(1), async (engines) => {
    await runRanks(engines, (rank) => program(fill(sum, 1), ...(rank === 0 ? [whole, short] : [short, whole])));
  });
  await expect(failure).rejects.toThrow(
    /collective 0 of a communicator is all_reduce 0 of (64|8) Float on member \d and all_reduce 0 of (64|8) Float/,
  );
});
