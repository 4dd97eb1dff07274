/** Who is there, by a clock and a store that the test holds. */
import { expect, test } from 'vitest';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { Attendance, beatKey, doneKey } from './attendance.js';
import type { Presence, Seen } from './presence.js';

const presence = (rank: number): Presence => ({
  rank,
  host: 'node7',
  machine: 'm',
  pid: 100 + rank,
  started: null,
});

/** A job whose store, clock and processes the test moves; rank `own` looks at it. */
function job(own: number, ranks: number) {
  const counters = new Map<string, number>();
  const texts = new Map<string, string>();
  const seen = new Map<number, Seen>();
  const told: string[] = [];
  const lost: DiagnosticError[] = [];
  let now = 0;
  let answers = true;
  const answered = <T>(value: T): Promise<T> => (answers ? Promise.resolve(value) : new Promise(() => {}));
  const store = {
    set: (key: string, text: string) => answered(void texts.set(key, text)),
    get: (key: string) => answered(texts.get(key)!),
    add(key: string, amount: number) {
      const sum = (counters.get(key) ?? 0) + amount;
      counters.set(key, sum);
      return answered(sum);
    },
  };
  const attendance = (rank: number) =>
    new Attendance({
      store,
      own: presence(rank),
      ranks,
      rankServes: own !== 0,
      now: () => now,
      look: ({ rank: other }) => seen.get(other) ?? 'running',
      tell: (_code, message) => told.push(message.split('\n')[0]),
      lost: (error) => lost.push(error),
    });
  const mine = attendance(own);
  for (let rank = 0; rank < ranks; rank++) if (rank !== own && (own === 0 || rank === 0)) mine.watch(presence(rank));
  return {
    told,
    lost,
    seen,
    counters,
    attendance,
    silence: () => void (answers = false),
    /** So many seconds, in each of which these ranks beat, and this one looks. */
    async pass(seconds: number, beating: readonly number[]): Promise<void> {
      for (let second = 0; second < seconds; second++) {
        now += 1000;
        for (const rank of beating) counters.set(beatKey(rank), (counters.get(beatKey(rank)) ?? 0) + 1);
        void mine.tick();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    /** Time in which this process does not run. */
    sleep: (seconds: number) => void (now += 1000 * seconds),
  };
}

test('a rank whose counter rests is named after five seconds, once a minute, and named again when it goes on', async () => {
  const { told, lost, pass, seen } = job(0, 3);
  await pass(10, [1, 2]);
  expect(told).toEqual([]);
  seen.set(2, 'stopped');
  await pass(4, [1]);
  expect(told).toEqual([]);
  await pass(2, [1]);
  expect(told).toEqual([
    'rank 2 (process 102 on node7) has not been heard of for 5 s, and the others wait for it [launch/rank-silent]',
  ]);
  await pass(59, [1]);
  expect(told).toHaveLength(1);
  await pass(2, [1]);
  expect(told).toHaveLength(2);
  await pass(1, [1, 2]);
  expect(told[2]).toBe('rank 2 (process 102 on node7) is heard of again');
  expect(lost).toEqual([]);
});

test('whoever has been stopped itself, or busy, blames nobody for it', async () => {
  const { told, pass, sleep } = job(0, 2);
  await pass(3, [1]);
  sleep(60);
  await pass(3, [1]);
  expect(told).toEqual([]);
});

test('a process that has ended without a word is lost at the next look; one that was done is not', async () => {
  const { lost, pass, seen, counters } = job(0, 3);
  await pass(2, [1, 2]);
  seen.set(1, 'gone');
  counters.set(doneKey(1), 1);
  await pass(2, [2]);
  expect(lost).toEqual([]);
  seen.set(2, 'gone');
  await pass(1, []);
  expect(lost.map(({ code }) => code)).toEqual(['launch/rank-left']);
  expect(lost[0].message).toContain('rank 2 (process 102 on node7) has left the job: its process has ended');
});

test('of a rank that has ended without a word rank 0 tells the others', async () => {
  const { lost, pass, seen, attendance } = job(0, 3);
  await pass(1, [1, 2]);
  seen.set(2, 'gone');
  await pass(1, [1]);
  await attendance(1).tick();
  const [here, there] = lost.map(({ message }) => message);
  expect(here).toContain('rank 2 (process 102 on node7) has left the job: its process has ended');
  expect(there).toBe(here);
});

test('a rank of another machine is lost after two minutes of silence', async () => {
  const { lost, pass, seen } = job(3, 4);
  seen.set(0, 'unseen');
  await pass(5, [0]);
  await pass(119, []);
  expect(lost).toEqual([]);
  await pass(2, []);
  expect(lost[0].message).toContain('rank 0 (process 100 on node7) has left the job: it has been silent for 120 s');
});

test('a rank that leaves tells all why, whether it failed or a signal stopped it', async () => {
  const failing = job(2, 3);
  await failing.attendance(1).leave({ problem: 'no space left' });
  await failing.pass(1, [0]);
  expect(failing.lost[0].message).toContain('rank 1 (process 101 on node7) has left the job: it failed');
  expect(failing.lost[0].message).toContain('no space left');

  const stopped = job(2, 3);
  await stopped.attendance(1).leave({ stopped: 'SIGTERM' });
  await stopped.pass(1, [0]);
  expect(stopped.lost[0].code).toBe('launch/interrupted');
  expect(stopped.lost[0].message).toContain('stopped by SIGTERM to rank 1 before the first step');
});

test('a store that does not answer is named by who serves it, and nobody else is blamed', async () => {
  const { told, lost, pass, silence } = job(0, 3);
  await pass(3, [1, 2]);
  silence();
  await pass(12, []);
  expect(told).toEqual([
    'the store of the job has not been heard of for 5 s, and the others wait for it [launch/rank-silent]',
  ]);
  expect(lost).toEqual([]);
});

test('rank 0, which serves the store, is named by those who wait for its answer', async () => {
  const { told, pass, silence } = job(1, 2);
  await pass(3, [0]);
  silence();
  await pass(12, []);
  expect(told).toEqual([
    'rank 0 (process 100 on node7) has not been heard of for 5 s, and the others wait for it [launch/rank-silent]',
  ]);
});
