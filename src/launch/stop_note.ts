/**
 * What this process has been asked by signals. Before it is ready there is nothing to lose, and it leaves; from then on it takes note, and
 * the step loop stops all processes of the job together.
 */
import { signals as ofProcess, type StopSignal, type StopSignals } from './signals.js';

export interface StopNoteOptions {
  /** What a signal does before {@link StopNote.ready}. */
  readonly leave: (signal: StopSignal) => void;
  /** Whether it is for another process, which gets the same signals, to lose patience. */
  readonly patient?: boolean;
  readonly signals?: StopSignals;
}

export class StopNote {
  /** Gives signals back to whoever had them. */
  readonly release: () => void;
  #ready = false;
  #asked: StopSignal | null = null;
  #before: (signal: StopSignal) => Promise<void> = () => Promise.resolve();

  constructor({ leave, patient = false, signals = ofProcess }: StopNoteOptions) {
    const asked = (signal: StopSignal) => {
      const first = this.#asked === null;
      this.#asked ??= signal;
      if (first && !this.#ready) void this.#before(signal).finally(() => leave(signal));
    };
    this.release = signals.take(patient ? { asked, hurried: asked } : { asked });
  }

  /** What is done before this process leaves by itself: it takes its leave of the others. */
  beforeLeaving(work: (signal: StopSignal) => Promise<void>): void {
    this.#before = work;
  }

  /** From now on this process leaves only together with the others. */
  ready(): void {
    this.#ready = true;
  }

  /** The first signal; null where there was none. */
  get asked(): StopSignal | null {
    return this.#asked;
  }
}
