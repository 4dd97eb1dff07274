/**
 * Signals that ask this process to stop: a person's Ctrl-C, a scheduler's warning or end of a job, a terminal that closes.
 *
 * They are listened to from the first moment on: by default Node ends at three of them, and opens its inspector at SIGUSR1, which Slurm
 * sends as a warning. Whoever has something to save takes them; until then they end the process with a word and status 130.
 */
import path from 'node:path';
import { stopSignals } from '../train/endable.js';

export { stopSignals };

export type StopSignal = (typeof stopSignals)[number];

/** The exit status of what a signal has stopped. */
export const stoppedStatus = 130;

export interface StopHandler {
  /** Called at every signal; several come where a terminal sends them to a group whose members pass them on. */
  asked(signal: StopSignal): void;
  /** Called instead at a second SIGINT, a second or more after the first: a person who does not want to wait. Absent: the process ends. */
  hurried?(signal: StopSignal): void;
}

/** The process, or a test's. */
export interface SignalSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
}

/** The second of two SIGINT within this time is the first one again. */
const sameMilliseconds = 1000;

export class StopSignals {
  readonly #source: SignalSource;
  readonly #now: () => number;
  readonly #end: (signal: StopSignal) => void;
  readonly #handlers: StopHandler[] = [];
  readonly #listener = (signal: StopSignal) => this.#receive(signal);
  #listening = false;
  /** Whether it listens without a handler too. */
  #always = false;
  #interruptedAt: number | null = null;

  /** `now`: milliseconds. `end`: what a signal does that nobody takes. */
  constructor(source: SignalSource, now: () => number, end: (signal: StopSignal) => void) {
    this.#source = source;
    this.#now = now;
    this.#end = end;
  }

  /** Listens from now on, to the end of the process. */
  listen(): void {
    this.#always = true;
    this.#update();
  }

  /** Gives signals to `handler` instead of whoever had them, until the function it returns is called. */
  take(handler: StopHandler): () => void {
    this.#handlers.push(handler);
    this.#update();
    return () => {
      const at = this.#handlers.indexOf(handler);
      if (at >= 0) this.#handlers.splice(at, 1);
      this.#update();
    };
  }

  #update(): void {
    const wanted = this.#always || this.#handlers.length > 0;
    if (wanted === this.#listening) return;
    this.#listening = wanted;
    for (const signal of stopSignals) this.#source[wanted ? 'on' : 'off'](signal, this.#listener);
  }

  #receive(signal: StopSignal): void {
    const handler = this.#handlers.at(-1);
    if (!handler) return this.#end(signal);
    if (!this.#hurried(signal)) return handler.asked(signal);
    if (handler.hurried) handler.hurried(signal);
    else this.#end(signal);
  }

  #hurried(signal: StopSignal): boolean {
    if (signal !== 'SIGINT') return false;
    const now = this.#now();
    this.#interruptedAt ??= now;
    return now - this.#interruptedAt > sameMilliseconds;
  }
}

/** Arguments of Node for a process that listens before it does anything else. */
export const importFirst: readonly string[] = [
  '--import',
  new URL(`first${path.extname(import.meta.url)}`, import.meta.url).href,
];

/** Ends this process with a word. */
export function endStopped(word: string): never {
  process.stderr.write(`${word}\n`);
  process.exit(stoppedStatus);
}

/** Those of this process. */
export const signals = new StopSignals(
  process,
  () => performance.now(),
  (signal) => endStopped(`stopped by ${signal}`),
);
