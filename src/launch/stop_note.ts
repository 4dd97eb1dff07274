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

/** Says at once, on standard error and in the run's log, what comes of a signal to ranks that train; once. */
export function tellStop(processes: number, say: (text: string) => void): (signal: StopSignal) => void {
  let told = false;
  return (signal) => {
    if (told) return;
    told = true;
    // One that has begun a step cannot know whether another has begun the next.
    const last = processes === 1 ? 'the step that runs now' : 'the step that runs now or the next';
    const text = `${signal}: stopping after ${last}, then saving; a second Ctrl-C ends at once without saving`;
    process.stderr.write(`${text}\n`);
    say(text);
  };
}

export class StopNote {
  /** Gives signals back to whoever had them. */
  readonly release: () => void;
  #ready = false;
  #told: (signal: StopSignal) => void = () => {};
  #asked: StopSignal | null = null;
  #before: (signal: StopSignal) => Promise<void> = () => Promise.resolve();

  constructor({ leave, patient = false, signals = ofProcess }: StopNoteOptions) {
    const asked = (signal: StopSignal) => {
      const first = this.#asked === null;
      this.#asked ??= signal;
      if (!first) return;
      if (this.#ready) this.#told(signal);
      else void this.#before(signal).finally(() => leave(signal));
    };
    this.release = signals.take(patient ? { asked, hurried: asked } : { asked });
  }

  /** What is done before this process leaves by itself: it takes its leave of the others. */
  beforeLeaving(work: (signal: StopSignal) => Promise<void>): void {
    this.#before = work;
  }

  /** From now on this process leaves only together with the others. `told`: hears of the first signal, until this is called again. */
  ready(told: (signal: StopSignal) => void = () => {}): void {
    this.#ready = true;
    this.#told = told;
  }

  /** The first signal; null where there was none. */
  get asked(): StopSignal | null {
    return this.#asked;
  }
}
