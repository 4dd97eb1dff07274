/** Which process it is, so that another can see whether it still runs: a number alone is given to a new process one day. */
import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';

export interface ProcessId {
  readonly host: string;
  /**
   * Where process numbers mean the same: the machine since it was started, and its name space of processes (a container has its own).
   * Null where the system does not tell.
   */
  readonly place: string | null;
  readonly pid: number;
  /** When the process began, in ticks since the machine did; null where the system does not tell. */
  readonly started: string | null;
}

export const thisProcess = (): ProcessId => ({
  host: os.hostname(),
  place: placeHere(),
  pid: process.pid,
  started: processState(process.pid)?.started ?? null,
});

/** Whether a process still runs; null where that cannot be seen from here. */
export function runs({ host, place, pid, started }: ProcessId): boolean | null {
  if (host !== os.hostname() || place !== placeHere()) return null;
  if (place === null) return isThere(pid);
  const found = processState(pid);
  // A process that has ended and that its parent has not asked about yet is in state Z.
  return found !== null && found.started === started && !['Z', 'X'].includes(found.state);
}

/** Where numbers of processes mean the same as here: see {@link ProcessId.place}. */
export function placeHere(): string | null {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return null;
  }
}

/** State and start of a process, as Linux has them; null where there is none. */
export function processState(pid: number): { readonly state: string; readonly started: string } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the command in brackets, may hold anything; after it come the third (state) to the 22nd (start).
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0], started: fields[19] };
  } catch {
    return null;
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
