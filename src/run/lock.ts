/**
 * One process group at a time works on a run: the file `lock` in its folder says which.
 *
 * The lock is a hard link, which is made atomically or not at all, also on network disks. A holder that has ended is succeeded, not
 * removed: whoever makes the link `lock.after.TOKEN` succeeds the holder of that token, alone, since a name is given once; then it takes
 * the place of `lock` and the links before it go. A taker that was slow and succeeded one that is no holder any more finds that the
 * chain from `lock` does not end with itself, and looks anew. So two never hold the lock, wherever any of them is stopped.
 *
 * Whether a holder on this machine still runs is seen from its process. One on another machine shows it by the time of its file, which
 * it renews; that time and the taker's are both the file server's.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DiagnosticError } from '../ir/diagnostic.js';
import { errorCode, systemProblem } from '../ir/system_error.js';
import { folderNotMade, lockLost, lockUnreadable, runLocked } from './diagnostics.js';
import { runs, thisProcess, type ProcessId } from '../data/process_id.js';
import { parseFields } from '../ir/parse_json.js';
import { readText } from '../data/read_text.js';

/** Seconds between two signs of life. */
const beatSeconds = 10;
/** A holder on another machine that has given no sign for so long has ended. */
const silenceSeconds = 90;

/** Each try that fails is one that another has won, or a file that none has written. */
const mostTries = 1000;

export const lockName = 'lock';

const holderSchema = z.object({
  token: z.string().regex(/^\w{1,64}$/),
  host: z.string(),
  place: z.string().nullable(),
  pid: z.int(),
  started: z.string().nullable(),
  since: z.string(),
});

/** Who holds a lock, as its file says. */
export type Holder = z.infer<typeof holderSchema>;

export interface LockOptions {
  /** Who takes it: this process. */
  readonly self?: ProcessId;
  /** Whether a process still runs; null where that cannot be seen from here. */
  readonly isRunning?: (one: ProcessId) => boolean | null;
}

export class RunLock {
  readonly #folder: string;
  /** Names this holding of the lock: with it other processes of the group ask whether it still is theirs. */
  readonly token: string;
  /** The file, open for signs of life: they go to no other's, should another take its place. */
  readonly #file: number;
  readonly #beat: NodeJS.Timeout;
  readonly #releaseAtExit = () => this.release();
  #released = false;

  private constructor(folder: string, token: string) {
    this.#folder = folder;
    this.token = token;
    this.#file = openSync(join(folder, lockName), 'r+');
    this.#beat = setInterval(() => this.#giveSign(), 1000 * beatSeconds).unref();
    process.on('exit', this.#releaseAtExit);
  }

  /** Takes the lock of a run's folder. Throws `run/locked`, which says who has it. */
  static take(folder: string, { self = thisProcess(), isRunning = runs }: LockOptions = {}): RunLock {
    const holder: Holder = { ...self, token: randomBytes(8).toString('hex'), since: new Date().toISOString() };
    const own = join(folder, `${lockName}.${holder.token}`);
    try {
      // On the disk before it has the name: a power cut leaves no lock that says nothing.
      writeFileSync(own, `${JSON.stringify(holder, null, 2)}\n`, { flag: 'wx', flush: true });
      for (let tries = 0; !takeOnce(folder, holder.token, own, isRunning); tries++)
        if (tries === mostTries) throw lockUnreadable({ folder });
      return new RunLock(folder, holder.token);
    } catch (error) {
      if (error instanceof DiagnosticError) throw error;
      throw folderNotMade({ path: folder, ...systemProblem(error) }, { cause: error });
    } finally {
      rmSync(own, { force: true });
    }
  }

  /** Who holds the lock and is seen to run; null where nobody is. Writes nothing. */
  static runningHolder(folder: string): Holder | null {
    const last = chainOf(folder).at(-1)?.holder;
    return last && runs(last) === true ? last : null;
  }

  /** Who holds the lock, as far as this machine's clock can tell of one on another; null where nobody does. Writes nothing. */
  static presumedHolder(folder: string): Holder | null {
    const last = chainOf(folder).at(-1);
    return last && (runs(last.holder) ?? Date.now() - last.lastSign < 1000 * silenceSeconds) ? last.holder : null;
  }

  /** May be called more than once. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    clearInterval(this.#beat);
    process.off('exit', this.#releaseAtExit);
    closeSync(this.#file);
    const path = join(this.#folder, lockName);
    if (readHolder(path)?.token === this.token) rmSync(path, { force: true });
  }

  /** Gives what `work` gives; where it throws, the lock is released. */
  releasedOnError<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  #giveSign(): void {
    try {
      writeSync(this.#file, '{', 0);
    } catch {
      // A full or absent disk: the next sign may come through, and a save says what is wrong.
    }
  }
}

/**
 * Throws `run/lock-lost` where the holder has been taken for ended by another, as after a long sleep of its machine, or the folder or its lock
 * is gone.
 */
export function requireLock(folder: string, token: string): void {
  const holder = chainOf(folder).at(-1)?.holder ?? null;
  if (holder?.token !== token) throw lockLost({ folder, holder, isThere: existsSync(folder) });
}

/** One file of the chain from `lock` to its holder: each but the first is named after the one before. */
interface Link {
  readonly path: string;
  readonly holder: Holder;
  /** Since 1970, in milliseconds, by the file server's clock. */
  readonly lastSign: number;
}

/** Tries once; false where another was quicker. Throws `run/locked`. */
function takeOnce(folder: string, token: string, own: string, isRunning: (one: ProcessId) => boolean | null): boolean {
  const path = join(folder, lockName);
  if (linked(own, path)) return true;
  const chain = chainOf(folder);
  const last = chain.at(-1);
  // Released in between.
  if (!last) return false;
  const silence = (statSync(own).mtimeMs - last.lastSign) / 1000;
  if (isRunning(last.holder) ?? silence < silenceSeconds) throw runLocked({ folder, holder: last.holder, silence });
  const after = join(folder, `${lockName}.after.${last.holder.token}`);
  if (!linked(own, after)) return false;
  if (chainOf(folder).at(-1)?.holder.token !== token) {
    rmSync(after, { force: true });
    return false;
  }
  renameSync(own, path);
  for (const one of chain.slice(1)) rmSync(one.path, { force: true });
  rmSync(after, { force: true });
  return true;
}

/** From `lock` on, each file's holder having been succeeded by the next one's. Empty where nobody holds the lock. */
function chainOf(folder: string): readonly Link[] {
  const chain: Link[] = [];
  for (let path = join(folder, lockName); ;) {
    const holder = readHolder(path);
    const lastSign = timeOf(path);
    if (holder === null || lastSign === null) return chain;
    // A chain that comes back to itself is none that takers make.
    if (chain.some((one) => one.holder.token === holder.token)) return chain;
    chain.push({ path, holder, lastSign });
    path = join(folder, `${lockName}.after.${holder.token}`);
  }
}

/** Makes a link; false where the name is taken. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Null where there is no such file, or none that names a holder. */
function readHolder(path: string): Holder | null {
  try {
    const parsed = holderSchema.safeParse(parseFields(readText(path)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

function timeOf(path: string): number | null {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return null;
  }
}
