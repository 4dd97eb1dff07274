/** Where a rank's process runs, as it tells the others, and what can be seen of it from the same machine. */
import os from 'node:os';
import { z } from 'zod';
import { placeHere, processState } from '../data/process_id.js';

const presence = z.strictObject({
  rank: z.number().int(),
  /** The machine's name, for people. */
  host: z.string(),
  /** Equal for processes that see each other by their numbers: the machine's start, and the namespace of its numbers. */
  machine: z.string(),
  pid: z.number().int(),
  /** When it started, as the kernel counts; null where that cannot be read. A number is given again once its process is gone. */
  started: z.string().nullable(),
});

export type Presence = z.infer<typeof presence>;

export const presenceText = (one: Presence): string => JSON.stringify(one);

export const parsePresence = (text: string): Presence => presence.parse(JSON.parse(text));

/** This process. */
export const ownPresence = (rank: number): Presence => ({
  rank,
  host: os.hostname(),
  machine: placeHere() ?? os.hostname(),
  pid: process.pid,
  started: processState(process.pid)?.started ?? null,
});

/** `unseen`: of another machine. */
export type Seen = 'running' | 'stopped' | 'gone' | 'unseen';

/** What this process sees of another. */
export function look(one: Presence, own: Presence): Seen {
  if (one.machine !== own.machine) return 'unseen';
  try {
    process.kill(one.pid, 0);
  } catch (error) {
    // A process of another user may be looked at, and may not be signalled.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'gone';
  }
  const stat = processState(one.pid);
  if (!stat) return 'running';
  if (stat.started !== one.started || stat.state === 'Z' || stat.state === 'X') return 'gone';
  return stat.state === 'T' || stat.state === 't' ? 'stopped' : 'running';
}

/** `rank 1 (process 4711 on node7)`. */
export const nameOf = ({ rank, pid, host }: Presence): string => `rank ${rank} (process ${pid} on ${host})`;
