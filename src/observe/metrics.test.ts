import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readMetrics } from '../run/read_metrics.js';
import { metricsLine, openMetrics } from './metrics.js';
import { eventsOfRun } from './testing.js';

let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'flotilla-metrics-')), 'run', 'metrics.jsonl');
});
afterEach(() => rmSync(join(path, '..', '..'), { recursive: true }));

const stepsIn = () => readMetrics(path).flatMap((row) => (row.kind === 'step' ? [row.step] : []));

test('every event with numbers is a line', () => {
  const metrics = openMetrics(path, { resumedFrom: null });
  for (const event of eventsOfRun(100)) metrics.append(event);
  metrics.close();
  const rows = readMetrics(path);
  expect(rows.map(({ kind }) => kind).slice(0, 4)).toEqual(['setup_finished', 'compiled', 'started', 'step']);
  expect(rows.find(({ kind }) => kind === 'step')).toEqual({
    kind: 'step',
    step: 1,
    loss: expect.closeTo(8.9012, 4),
    terms: { balance: 1.25 },
    grad_norm: 1.234,
    lr: 3e-4,
    step_seconds: 0.4,
    tokens_per_second: 40_960,
    peak_share: 0.413,
    memory_bytes: 512e6,
    at: 1_700_000_003_600,
  });
  expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(rows.length);
});

test('lines are there before the run ends, and only every so many steps', () => {
  const metrics = openMetrics(path, { resumedFrom: null, everySteps: 10 });
  for (const event of eventsOfRun(25)) metrics.append(event);
  expect(stepsIn()).toEqual([10, 20]);
  metrics.close();
});

test('a resume drops the steps that it will do again, and a line that was cut off', () => {
  const first = openMetrics(path, { resumedFrom: null });
  for (const event of eventsOfRun(60)) first.append(event);
  first.close();
  appendFileSync(path, '{"kind":"step","step":61,"lo');

  const second = openMetrics(path, { resumedFrom: 40 });
  for (const event of eventsOfRun(50)) if (event.kind === 'step' && event.step > 40) second.append(event);
  second.close();
  expect(stepsIn()).toEqual(Array.from({ length: 50 }, (_, k) => k + 1));
  expect(readMetrics(path).some(({ kind }) => kind === 'validation')).toBe(false);
  expect(existsSync(`${path}.tmp`)).toBe(false);
});

test('a new run starts a new file, a resume without one starts one', () => {
  for (const resumedFrom of [5, null]) {
    const metrics = openMetrics(path, { resumedFrom });
    metrics.append(eventsOfRun(1).at(-1)!);
    metrics.close();
    expect(stepsIn()).toEqual([1]);
  }
});

test('a loss that is no number is null', () => {
  const step = eventsOfRun(1).at(-1)!;
  expect(metricsLine({ ...step, loss: NaN } as typeof step)).toContain('"loss":null');
});

test.runIf(existsSync('/dev/full'))('a full disk is told once and ends nothing', () => {
  const errors: string[] = [];
  const metrics = openMetrics('/dev/full', { resumedFrom: null, onError: (error) => errors.push(error.message) });
  for (const event of eventsOfRun(3)) metrics.append(event);
  metrics.close();
  expect(errors).toEqual([expect.stringContaining('ENOSPC')]);
});

test('a disk that is full is told once, also by one who tells of it in metrics', () => {
  // A file that can be opened and has room for nothing.
  const told: string[] = [];
  const metrics = openMetrics('/dev/full', {
    resumedFrom: null,
    onError(error) {
      told.push(error.message);
      metrics.append({ kind: 'warning', code: 'observe/metrics-lost', message: error.message, at: 0 });
    },
  });
  for (const event of eventsOfRun(100)) metrics.append(event);
  metrics.close();
  expect(told).toHaveLength(1);
});
