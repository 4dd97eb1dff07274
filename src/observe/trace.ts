/**
 * `trace.json`: the launches of a few steps, as Perfetto (ui.perfetto.dev) and chrome://tracing show them. A rank is a process, a lane a
 * thread.
 *
 * Source: "Trace Event Format", the Chromium project: complete events (`ph: X`) with times in microseconds, and metadata (`ph: M`).
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { TracedLaunch } from '../train/traced_launch.js';

/** The events of a trace, metadata first, in the order of start times. */
export function traceEvents(launches: readonly TracedLaunch[]): readonly object[] {
  const lanes = [...new Set(launches.map(({ lane }) => lane))].sort(byLane);
  const ranks = [...new Set(launches.map(({ rank }) => rank))].sort((a, b) => a - b);
  const metadata = ranks.flatMap((rank) => [
    { ph: 'M', name: 'process_name', pid: rank, args: { name: `rank ${rank}` } },
    { ph: 'M', name: 'process_sort_index', pid: rank, args: { sort_index: rank } },
    ...lanes.flatMap((lane, tid) => [
      { ph: 'M', name: 'thread_name', pid: rank, tid, args: { name: lane } },
      { ph: 'M', name: 'thread_sort_index', pid: rank, tid, args: { sort_index: tid } },
    ]),
  ]);
  const complete = [...launches]
    .sort((a, b) => a.startSeconds - b.startSeconds)
    .map(({ rank, lane, name, kind, startSeconds, seconds, details }) => ({
      ph: 'X',
      name,
      cat: kind,
      pid: rank,
      tid: lanes.indexOf(lane),
      ts: microseconds(startSeconds),
      dur: microseconds(seconds),
      ...(details && { args: details }),
    }));
  return [...metadata, ...complete];
}

/** Writes a trace, an event a line. */
export function writeTrace(path: string, launches: readonly TracedLaunch[]): void {
  const file = openSync(path, 'w');
  try {
    writeSync(file, '{"displayTimeUnit":"ms","traceEvents":[');
    traceEvents(launches).forEach((event, k) => writeSync(file, `${k === 0 ? '' : ','}\n${JSON.stringify(event)}`));
    writeSync(file, '\n]}\n');
  } finally {
    closeSync(file);
  }
}

/** Compute on top, then the communicators by name. */
const byLane = (a: string, b: string): number =>
  Number(b === 'compute') - Number(a === 'compute') || (a < b ? -1 : a > b ? 1 : 0);

/** To the nanosecond: the format's numbers are microseconds, fractions allowed. */
const microseconds = (seconds: number): number => Math.round(seconds * 1e9) / 1e3;
