/** A run of stages keeps what each has told, whatever becomes of the stage, of the run, or of the machine. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { chooseStages, jobOf } from '../../bench/gpu/run/jobs.js';
import { RunLog } from '../../bench/gpu/run/log.js';
import { allPassed, table, type RunResults } from '../../bench/gpu/run/results.js';
import { runStages, type RunWorld } from '../../bench/gpu/run/run_stages.js';
import { startProcess } from '../../bench/gpu/run/stage_process.js';
import { stages } from '../../bench/gpu/run/stages.js';
import { packageRoot } from '../../src/engine/native/package_root.js';
import { jobs, type FakeStage } from './fake_stages.js';
import { built } from '../setup/built.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'flotilla-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs stages in this process, on a clock of real time; `world` replaces parts. Also returns what was saved on the way. */
async function run(
  given: readonly FakeStage[],
  { minutes = 1, ...world }: Partial<RunWorld> & { minutes?: number } = {},
) {
  const began = performance.now();
  const saved: RunResults[] = [];
  const results = await runStages(
    { started: '', device: 'cpu', minutes, about: {}, jobs: jobs(given) },
    {
      now: () => (performance.now() - began) / 1000,
      after: (seconds, callBack) => {
        const timer = setTimeout(callBack, seconds * 1000);
        return () => clearTimeout(timer);
      },
      start: startProcess,
      save: (results) => saved.push(JSON.parse(JSON.stringify(results)) as RunResults),
      log: () => {},
      say: () => {},
      group: () => {},
      interrupted: new AbortController().signal,
      ...world,
    },
  );
  return { results, saved };
}

const told = ({ stages }: RunResults) => stages.map(({ status, results }) => [status, results]);

test('stages run in order; each record is saved when it is told, before the stage ends', async () => {
  const { results, saved } = await run([
    { name: 'one', does: `echo '{"a":1}'; sleep 0.2; echo 'no record'; echo '{"a":2,"headline":"two"}'` },
    { name: 'two', does: `echo '{"b":1}'` },
  ]);
  expect(told(results)).toEqual([
    ['passed', [{ a: 1 }, { a: 2, headline: 'two' }]],
    ['passed', [{ b: 1 }]],
  ]);
  expect(saved.map((one) => told(one))).toContainEqual([
    ['running', [{ a: 1 }]],
    ['waiting', []],
  ]);
  expect(allPassed(results)).toBe(true);
  expect(table(results)).toMatch(/^one {2}passed +\d+\.\d s {2}two\ntwo {2}passed +\d+\.\d s$/);
});

test('a stage that dies keeps its records, says how it ended and what it said last, and the next one runs', async () => {
  const { results } = await run([
    { name: 'dies', does: `echo '{"a":1}'; echo 'oh no' >&2; kill -SEGV $$` },
    { name: 'fails', does: 'exit 3' },
    { name: 'missing', does: 'exec /nowhere' },
    { name: 'next', does: `echo '{"b":1}'` },
  ]);
  expect(told(results)).toEqual([
    ['failed', [{ a: 1 }]],
    ['failed', []],
    ['failed', []],
    ['passed', [{ b: 1 }]],
  ]);
  expect(results.stages.map(({ reason }) => reason)).toEqual([
    'ended by SIGSEGV',
    'ended with status 3',
    'ended with status 127',
    null,
  ]);
  expect(results.stages[0].lastLines).toEqual(['oh no']);
  expect(allPassed(results)).toBe(false);
});

test('a stage over its limit is cut with all that it started', async () => {
  const { results } = await run([
    // The child ignores SIGTERM, as a library's helper may.
    { name: 'long', does: `(trap '' TERM; sleep 60) & echo "{\\"child\\":$!}"; sleep 60`, limit: 2 },
    { name: 'next', does: 'true' },
  ]);
  const [long, next] = results.stages;
  expect([long.status, long.reason, next.status]).toEqual(['cut', 'its 2 s were over', 'passed']);
  await expectGone(Number(long.results[0].child));
});

test('what a stage leaves running ends with it, also where it holds the stage’s output open', async () => {
  const { results } = await run([{ name: 'leaves', does: `sleep 60 & echo "{\\"child\\":$!}"` }]);
  expect(results.stages[0].status).toBe('passed');
  expect(results.stages[0].seconds).toBeLessThan(20);
  await expectGone(Number(results.stages[0].results[0].child));
});

test('when the run’s time is over the stage is cut, and those not begun say so', async () => {
  const { results } = await run(
    [
      { name: 'quick', does: 'true' },
      { name: 'long', does: `echo '{"a":1}'; sleep 60` },
      { name: 'late', does: 'true' },
    ],
    { minutes: 1 / 60 },
  );
  expect(results.stages.map(({ status, reason }) => [status, reason])).toEqual([
    ['not run', 'no time left'], // a second is too little for a stage that may take a minute
    ['not run', 'no time left'],
    ['not run', 'no time left'],
  ]);
  const second = await run(
    [
      { name: 'long', does: `echo '{"a":1}'; sleep 60`, limit: 10 },
      { name: 'late', does: 'true', limit: 10 },
    ],
    { minutes: 2 / 60 },
  );
  expect(second.results.stages.map(({ status, reason }) => [status, reason])).toEqual([
    ['cut', 'the run’s time was over'],
    ['not run', 'no time left'],
  ]);
  expect(second.results.stages[0].results).toEqual([{ a: 1 }]);
});

test('nothing runs without an essential stage', async () => {
  const { results } = await run([
    { name: 'build', does: 'exit 1', essential: true },
    { name: 'next', does: 'true' },
  ]);
  expect(results.stages[1]).toMatchObject({ status: 'not run', reason: "nothing can run without 'build'" });
});

test('a run that is told to end cuts its stage and begins no other', async () => {
  const interrupt = new AbortController();
  const { results } = await run(
    [
      { name: 'long', does: `echo '{"a":1}'; sleep 60` },
      { name: 'next', does: 'true' },
    ],
    {
      interrupted: interrupt.signal,
      save: ({ stages }) => stages[0].results.length && stages[0].status === 'running' && interrupt.abort(),
    },
  );
  expect(told(results)).toEqual([
    ['cut', [{ a: 1 }]],
    ['not run', []],
  ]);
  expect(results.finished).toBe(true);
});

test('records that would fill the file are counted and dropped', async () => {
  const { results } = await run([
    { name: 'floods', does: `x=$(printf 'x%.0s' {1..70000}); echo "{\\"x\\":\\"$x\\"}"; echo '{"a":1}'` },
  ]);
  expect(results.stages[0]).toMatchObject({ results: [{ a: 1 }], dropped: 1 });
});

test('the table tells checks where there is no headline', () => {
  const stage = {
    shows: '',
    status: 'failed',
    reason: 'ended with status 1',
    seconds: 2,
    lastLines: [],
    dropped: 0,
  } as const;
  const results = [
    { name: 'a', passed: true },
    { name: 'b', passed: false },
    { name: 'figure', value: 1 },
  ];
  const given = { started: '', device: 'cpu', minutes: 1, about: {}, finished: true, seconds: 2 };
  expect(table({ ...given, stages: [{ ...stage, name: 'one', results }] })).toBe(
    'one  failed  2.0 s  ended with status 1; 1 of 2 checks passed; not: b',
  );
});

test('a log that grows too long keeps its beginning and its end', () => {
  const file = path.join(folder, 'long.log');
  const log = new RunLog(file, 3000);
  for (let i = 0; i < 1000; i++) log.line(`line ${i}`);
  const text = readFileSync(file, 'utf8');
  expect(statSync(file).size).toBeLessThanOrEqual(3000);
  expect(text).toMatch(/^line 0\nline 1\n/);
  expect(text).toMatch(/bytes left out[^]*line 998\nline 999\n$/);
});

// Twenty records of a tenth of a second's work in two stages, killed at several moments: at once, in the middle, between stages, near the end.
const counting = (name: string) => ({
  name,
  does: `for i in {1..10}; do echo "{\\"${name}\\":$i}"; sleep 0.05; done`,
});
test.each([0, 130, 310, 530, 610, 990])(
  'killed %i ms after its first save, a run leaves whole results with all that was finished',
  async (milliseconds) => {
    const out = mkdtempSync(path.join(folder, 'killed-'));
    const program = built(new URL('fake_run.ts', import.meta.url));
    const given = JSON.stringify([counting('one'), counting('two')]);
    const child = spawn(process.execPath, [program, out, given], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    let printed = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await sleep(milliseconds);
    child.kill('SIGKILL');
    await ended;
    const counts = printed.split('\n').slice(0, -1).map(Number);
    const results = JSON.parse(readFileSync(path.join(out, 'gpu.json'), 'utf8')) as RunResults;
    const kept = results.stages.flatMap((stage) => stage.results);
    const all = ['one', 'two'].flatMap((name) => Array.from({ length: 10 }, (_, i) => ({ [name]: i + 1 })));
    expect(kept).toEqual(all.slice(0, kept.length));
    expect(kept.length).toBeGreaterThanOrEqual(counts.at(-1)!);
    expect(readdirSync(out).filter((file) => !/^gpu\.(log|json)(\..*\bnext)?$/.test(file))).toEqual([]);
  },
);

test('stages are chosen by name, in their own order, with what they cannot run without', () => {
  expect(chooseStages('kernels,found').map(({ name }) => name)).toEqual(['build', 'found', 'kernels']);
  expect(chooseStages(null)).toBe(stages);
  expect(() => chooseStages('found,kernel')).toThrow(
    /no stage is called 'kernel'; did you mean 'kernels'\? The stages are build, found/,
  );
});

test('limits follow the run’s minutes, and test files that need Python say so where there is none', () => {
  const steps = stages.find(({ name }) => name === 'steps')!;
  const job = (minutes: number, python: boolean) => jobOf(steps, { device: 'cpu', minutes, python });
  expect(job(4, true).limit).toBe(steps.seconds / 2);
  expect(job(8, true).command(60).command).toContain('tests/native/ours_equals_theirs.test.ts');
  expect(job(8, false).command(60).command).not.toContain('tests/native/ours_equals_theirs.test.ts');
  expect(job(8, false).known).toMatchObject([{ file: 'tests/native/ours_equals_theirs.test.ts', state: 'not run' }]);
});

test('docs/gpu.md tells the stages as they are', () => {
  const page = readFileSync(path.join(packageRoot(), 'docs', 'gpu.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (\w+) +\| (\d+) s +\| (.*?) +\|$/gm)].map(([, name, limit, shows]) => [
    name,
    Number(limit),
    shows,
  ]);
  expect(rows).toEqual(stages.map(({ name, seconds, shows }) => [name, seconds, shows]));
});

/** A signalled process is gone a moment later. */
async function expectGone(pid: number): Promise<void> {
  expect(pid).toBeGreaterThan(0);
  const alive = () => {
    try {
      process.kill(pid, 0);
      // Where nobody waits for orphans they stay, as zombies.
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };
  for (let tries = 0; tries < 100 && alive(); tries++) await sleep(50);
  expect(alive()).toBe(false);
}
