import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TracedLaunch } from '../train/traced_launch.js';
import { traceEvents, writeTrace } from './trace.js';

const launches: readonly TracedLaunch[] = [
  {
    rank: 1,
    lane: 'data',
    name: 'all_reduce',
    kind: 'collective',
    startSeconds: 0.002,
    seconds: 0.0015,
    details: { bytes: 4096 },
  },
  { rank: 0, lane: 'compute', name: 'einsum', kind: 'kernel', startSeconds: 1e-6, seconds: 2.5e-7 },
];

test('a rank is a process and a lane a thread, compute on top', () => {
  const events = traceEvents(launches);
  expect(events).toContainEqual({ ph: 'M', name: 'process_name', pid: 1, args: { name: 'rank 1' } });
  expect(events).toContainEqual({ ph: 'M', name: 'thread_name', pid: 0, tid: 0, args: { name: 'compute' } });
  expect(events.slice(-2)).toEqual([
    { ph: 'X', name: 'einsum', cat: 'kernel', pid: 0, tid: 0, ts: 1, dur: 0.25 },
    { ph: 'X', name: 'all_reduce', cat: 'collective', pid: 1, tid: 1, ts: 2000, dur: 1500, args: { bytes: 4096 } },
  ]);
});

test.each([[launches], [[]]])('the file is JSON', (written) => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-trace-'));
  try {
    const path = join(folder, 'trace.json');
    writeTrace(path, written);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
      displayTimeUnit: 'ms',
      traceEvents: traceEvents(written),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
