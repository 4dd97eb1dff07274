/**
 * Starts a job on this machine: one process a rank, with torchrun's variables. One failing rank ends them all, and its own error is
 * the job's. Nothing is left behind: every process has ended when {@link launch} settles, and ranks end when the launcher does.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import {
  commandNotStarted,
  jobInterrupted,
  portTaken,
  rankFailed,
  type JobProgress,
  type RankFailure,
} from './diagnostics.js';
import { makeTemporaryFolder } from '../data/temporaries.js';
import { threadsPerRank } from '../train/threads.js';
import { rankVariables } from './environment.js';
import { readErrorFile, type RankError } from './error_file.js';
import { consequences } from './consequences.js';
import { endMessage } from './messages.js';
import { signals, stoppedStatus, stopSignals, type StopSignal } from './signals.js';
import type { StopCause } from './stop_note.js';

/** A line that a rank printed. */
export interface RankLine {
  readonly rank: number;
  readonly stream: 'stdout' | 'stderr';
  readonly line: string;
}

export interface LaunchOptions {
  /** Number of processes. */
  readonly ranks: number;
  /** The program; this Node by default. */
  readonly command?: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Port of the rendezvous store; a free one by default. */
  readonly port?: number;
  /**
   * Where lines of the ranks go. By default rank 0's as they are and the others' behind `[rank 1]`. With `inherit`, rank 0 writes
   * to this process's terminal directly, so that it can draw a live panel.
   */
  readonly output?: 'prefix' | 'inherit' | ((line: RankLine) => void);
  /** Messages that ranks send with `process.send`. */
  readonly onMessage?: (rank: number, message: unknown) => void;
  /** How long ranks have to end after SIGTERM before SIGKILL. Default 5. */
  readonly graceSeconds?: number;
  /**
   * How long ranks that are not yet at work have to end after a signal to this process, which they get as SIGINT. Those at work finish
   * their step and save, however long that takes; a second SIGINT of a person ends them at once. Default 0: so does the first signal.
   */
  readonly interruptSeconds?: number;
  /** Told of the first wish to stop, when the ranks have got it, and of a signal that comes after one of the script. */
  readonly onInterrupt?: (cause: StopCause) => void;
  /** By which the script that launches may ask for what a first signal asks for. */
  readonly abort?: AbortSignal;
  /** How far the ranks have come, and how the run goes on from there. Absent: they are at work, and have saved. */
  readonly progress?: () => JobProgress;
}

/** Runs a job to its end. Fails with the error of the rank that failed first, or as interrupted by a signal to this process. */
export async function launch(options: LaunchOptions): Promise<{ readonly seconds: number }> {
  const start = performance.now();
  let early: StopSignal | null = null;
  const release = signals.take({ asked: (signal) => void (early ??= signal) });
  const store = await listen(options.port ?? 0).finally(release);
  let job: Job;
  try {
    job = new Job(options, store);
  } finally {
    // Rank 0 has its own copy of the socket now. Ours must not accept what is meant for it.
    store.close();
  }
  try {
    await job.run(early);
  } finally {
    job.cleanUp();
  }
  return { seconds: (performance.now() - start) / 1000 };
}

/** How a rank ends that was asked to stop before there was anything to save. */
const stoppedEnding = `status ${stoppedStatus}`;

/** How long after the first failure others may report theirs, one of which may be its cause. */
const settlingMilliseconds = 300;

/** How long ranks have to end where a person does not want to wait. */
const hurriedSeconds = 0.5;

/** What a rank printed last, kept for ranks that leave no error file. */
const keptLines = 30;

/** Where rank 0 finds the store's socket: behind standard input, output, error and the channel. */
const storeFd = 4;

/**
 * Torch asks a server of names who 127.0.0.1 is, for each connection to its store, and goes on without an answer: where none comes, after a
 * second, twice. The system's own patience is five.
 */
const impatient = { RES_OPTIONS: 'timeout:1 attempts:2' };

interface RankProcess {
  readonly rank: number;
  readonly child: ChildProcess;
  readonly errorFile: string;
  readonly tail: string[];
  /** How it ended, once it has. */
  ending: string | null;
  /** When, in seconds since 1970. */
  endedAt: number;
  /** Whether it had ended before we stopped the job. */
  endedByItself: boolean;
}

class Job {
  readonly #options: LaunchOptions;
  readonly #folder = makeTemporaryFolder('flotilla-launch-');
  readonly #processes: RankProcess[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #stopping = false;
  /** True once the end of what still runs has been arranged. */
  #stops = false;
  /** A signal, in words, or `abort`. */
  #interruptedBy: string | null = null;
  #startError: Error | null = null;

  constructor(options: LaunchOptions, store: net.Server) {
    this.#options = options;
    const { port } = store.address() as net.AddressInfo;
    const env = { ...impatient, ...process.env, ...options.env };
    const threads = threadsPerRank(options.ranks, env);
    const runId = randomUUID();
    try {
      for (let rank = 0; rank < options.ranks; rank++) {
        const errorFile = path.join(this.#folder, `rank${rank}.json`);
        const variables = rankVariables({ rank, ranks: options.ranks, port, runId, threads, errorFile, storeFd });
        this.#processes.push(this.#start(rank, { ...env, ...variables }, errorFile, store));
      }
    } catch (error) {
      this.#kill('SIGKILL');
      this.cleanUp();
      throw commandNotStarted({
        command: this.#command(),
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** Waits until every process has ended. `early`: a signal that came before they were started. */
  async run(early: StopSignal | null): Promise<void> {
    const release = signals.take({
      asked: (signal) => this.#interrupt(signal),
      hurried: () => this.#stop(0, hurriedSeconds),
    });
    const killAll = () => this.#kill('SIGKILL');
    process.on('exit', killAll);
    const { abort } = this.#options;
    const onAbort = () => this.#interrupt('abort');
    abort?.addEventListener('abort', onAbort);
    if (early) this.#interrupt(early);
    else if (abort?.aborted) onAbort();
    await Promise.all(this.#processes.map((one) => this.#ended(one)));
    release();
    abort?.removeEventListener('abort', onAbort);
    process.off('exit', killAll);

    if (this.#startError) throw commandNotStarted({ command: this.#command(), reason: this.#startError.message });
    const failure = this.#failure();
    // A rank that failed by itself comes first: one that could not save what it was asked to has not just stopped.
    if (this.#interruptedBy && !(failure && this.#isCause(failure))) {
      throw jobInterrupted({ signal: this.#interruptedBy, ranks: this.#options.ranks, ...this.#progress() });
    }
    if (failure) throw rankFailed(failure);
  }

  /** Tells the ranks to finish and save, once: whoever sent the signal may have sent it to them too. */
  #interrupt(cause: StopCause): void {
    const { interruptSeconds = 0, onInterrupt } = this.#options;
    const before = this.#interruptedBy;
    if (before !== null && (before !== 'abort' || cause === 'abort')) return;
    this.#interruptedBy = cause;
    if (before !== null) return onInterrupt?.(cause);
    if (interruptSeconds === 0) return this.#stop(0);
    this.#kill('SIGINT');
    this.#timers.push(setTimeout(() => this.#progress().atWork || this.#stop(0), 1000 * interruptSeconds));
    onInterrupt?.(cause);
  }

  #progress(): JobProgress {
    return (
      this.#options.progress?.() ?? {
        atWork: true,
        saved: true,
        recovery: 'go on from the last checkpoint with `flotilla resume`',
      }
    );
  }

  /** Whether a failure is more than what follows from a signal. */
  #isCause({ rank, ending, diagnostic }: RankFailure): boolean {
    const stopped = ending === stoppedEnding || stopSignals.some((signal) => signal === ending);
    const follows = diagnostic !== null && consequences.includes(diagnostic.code);
    return this.#processes[rank].endedByItself && !stopped && !follows;
  }

  cleanUp(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #command(): string {
    return this.#options.command ?? process.execPath;
  }

  #start(rank: number, env: NodeJS.ProcessEnv, errorFile: string, store: net.Server): RankProcess {
    const direct = this.#options.output === 'inherit' && rank === 0;
    const child = spawn(this.#command(), this.#options.args, {
      env,
      cwd: this.#options.cwd,
      stdio: [
        'ignore',
        direct ? 'inherit' : 'pipe',
        direct ? 'inherit' : 'pipe',
        'ipc',
        ...(rank === 0 ? [descriptor(store)] : []),
      ],
    });
    const one: RankProcess = { rank, child, errorFile, tail: [], ending: null, endedAt: 0, endedByItself: false };
    for (const stream of ['stdout', 'stderr'] as const) {
      const source = child[stream];
      if (source) createInterface({ input: source }).on('line', (line) => this.#relay(one, stream, line));
    }
    child.on('message', (message) => this.#options.onMessage?.(rank, message));
    return one;
  }

  #relay(one: RankProcess, stream: 'stdout' | 'stderr', line: string): void {
    one.tail.push(line);
    if (one.tail.length > keptLines) one.tail.shift();
    const { output } = this.#options;
    if (typeof output === 'function') output({ rank: one.rank, stream, line });
    else process[stream].write(one.rank === 0 ? `${line}\n` : `[rank ${one.rank}] ${line}\n`);
  }

  #ended(one: RankProcess): Promise<void> {
    return new Promise((resolve) => {
      const end = (ending: string | null) => {
        one.ending = ending;
        one.endedAt = Date.now() / 1000;
        one.endedByItself = !this.#stopping;
        if (ending === stoppedEnding) this.#interruptedBy ??= `a signal to rank ${one.rank}`;
        if (ending !== null) this.#stop(settlingMilliseconds);
      };
      one.child.on('error', (error) => {
        if (one.child.pid !== undefined) return; // a message that could not be sent
        this.#startError ??= error;
        end(error.message);
        resolve();
      });
      one.child.on('exit', (status, signal) => end(status === 0 ? null : (signal ?? `status ${status}`)));
      one.child.on('close', () => resolve());
    });
  }

  /**
   * Ends what still runs: after `delay` milliseconds by SIGTERM and by a message, since our ranks take SIGTERM for a wish to save; by
   * SIGKILL when the grace is over.
   */
  #stop(delay: number, graceSeconds = this.#options.graceSeconds ?? 5): void {
    if (this.#stops && delay > 0) return;
    this.#stops = true;
    this.#timers.push(
      setTimeout(() => {
        this.#stopping = true;
        for (const { child } of this.#processes) if (child.connected) child.send(endMessage, () => {});
        this.#kill('SIGTERM');
      }, delay),
      setTimeout(() => this.#kill('SIGKILL'), delay + 1000 * graceSeconds),
    );
  }

  #kill(signal: NodeJS.Signals): void {
    for (const { child } of this.#processes)
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  }

  /** The failure that came first: among ranks that ended by themselves, causes before consequences, then by time. */
  #failure(): RankFailure | null {
    const failures = this.#processes
      .filter((one) => one.ending !== null && (one.endedByItself || readErrorFile(one.errorFile) !== null))
      .map((one) => ({ one, error: readErrorFile(one.errorFile) }))
      .sort(
        (a, b) =>
          weight(a.error) - weight(b.error) ||
          (a.error?.timestamp ?? a.one.endedAt) - (b.error?.timestamp ?? b.one.endedAt),
      );
    if (failures.length === 0) return null;
    const { one, error } = failures[0];
    return {
      rank: one.rank,
      ending: one.ending ?? 'status 0',
      diagnostic: error?.diagnostic ?? null,
      message: error?.message ?? null,
      lastLines: one.tail,
      recovery: this.#progress().recovery,
    };
  }
}

function weight(error: RankError | null): number {
  return error?.diagnostic && consequences.includes(error.diagnostic.code) ? 1 : 0;
}

/** The descriptor of a listening socket. Node has no public name for it; a child inherits by number. */
function descriptor(server: net.Server): number {
  return (server as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}

/** Listens for the store's clients before rank 0 does, so that the port is certain. Local ranks only, so on loopback only. */
function listen(port: number): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? portTaken({ address: '127.0.0.1', port }) : error),
    );
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
