/**
 * What this process has been asked by signals, and by the script that it runs. Before it is ready there is nothing to lose, and it leaves;
 * from then on it takes note, and the step loop stops all processes of the job together.
 */
import { aborted } from './diagnostics.js';
import { signals as ofProcess, type StopSignal, type StopSignals } from './signals.js';

/** What asks a run to stop: a signal of the system, or the `signal` that a script has given its call. */
export type StopCause = StopSignal | 'abort';

export interface StopNoteOptions {
  /** What a signal does before {@link StopNote.ready}. */
  readonly leave: (signal: StopSignal) => void;
  /** Whether it is for another process, which gets the same signals, to lose patience. */
  readonly patient?: boolean;
  readonly signals?: StopSignals;
  /** By which the script that runs may ask too; it never ends this process. */
  readonly abort?: AbortSignal;
}

/**
 * Says at once, on standard error and in the run's log, what comes of a wish to stop to ranks that train: once, and again of
 * a signal that follows an abort. `shows`: whether the run's progress is shown; a person who sent a signal is answered in any case.
 */
export function tellStop(
  processes: number,
  { say, shows }: { readonly say: (text: string) => void; readonly shows: boolean },
): (cause: StopCause) => void {
  let told: StopCause | null = null;
  return (cause) => {
    if (told !== null && (told !== 'abort' || cause === 'abort')) return;
    told = cause;
    // One that has begun a step cannot know whether another has begun the next.
    const last = processes === 1 ? 'the step that runs now' : 'the step that runs now or the next';
    const stopping = `stopping after ${last}, then saving`;
    const text =
      cause === 'abort'
        ? `aborted by the script: ${stopping}`
        : `${cause}: ${stopping}; a second Ctrl-C ends at once without saving`;
    if (shows || cause !== 'abort') process.stderr.write(`${text}\n`);
    say(text);
  };
}

/** Throws `launch/aborted` where a call has been aborted before anything was trained. */
export function requireUnaborted(abort: AbortSignal | null | undefined): void {
  if (abort?.aborted) throw aborted({ rank: null, reason: reasonOf(abort) }, { cause: abort.reason });
}

export class StopNote {
  /** Gives signals back to whoever had them. */
  readonly release: () => void;
  readonly #abort: AbortSignal | null;
  #ready = false;
  #told: (cause: StopCause) => void = () => {};
  #signal: StopSignal | null = null;
  #before: (signal: StopSignal) => Promise<void> = () => Promise.resolve();

  constructor({ leave, patient = false, signals = ofProcess, abort }: StopNoteOptions) {
    this.#abort = abort ?? null;
    const asked = (signal: StopSignal) => {
      const first = this.#signal === null;
      this.#signal ??= signal;
      if (!first) return;
      if (this.#ready) this.#told(signal);
      else void this.#before(signal).finally(() => leave(signal));
    };
    const giveBack = signals.take(patient ? { asked, hurried: asked } : { asked });
    const onAbort = () => this.#ready && this.#told('abort');
    abort?.addEventListener('abort', onAbort);
    this.release = () => {
      giveBack();
      abort?.removeEventListener('abort', onAbort);
    };
  }

  /** What is done before this process leaves by itself: it takes its leave of the others. */
  beforeLeaving(work: (signal: StopSignal) => Promise<void>): void {
    this.#before = work;
  }

  /** Throws `launch/aborted` where the script has aborted the call. */
  requireGoingOn(): void {
    requireUnaborted(this.#abort);
  }

  /**
   * From now on this process leaves only together with the others. `told`: hears of a wish to stop, until this is called again. Throws
   * `launch/aborted` where the script has aborted the call before: nothing was trained.
   */
  ready(told: (cause: StopCause) => void = () => {}): void {
    if (!this.#ready) this.requireGoingOn();
    this.#ready = true;
    this.#told = told;
  }

  /** Whether this process is to stop, whoever asked. */
  get asked(): boolean {
    return this.signalled || this.#abort?.aborted === true;
  }

  /** Whether a signal of the system asked: whoever sends one wants an end of the whole script. */
  get signalled(): boolean {
    return this.#signal !== null;
  }

  /** By which the script may ask; null where it gave none. */
  get abort(): AbortSignal | null {
    return this.#abort;
  }
}

/** Why the script has aborted, where it said so. */
function reasonOf({ reason }: AbortSignal): string | null {
  // What `abort()` gives by itself says nothing.
  if (reason instanceof Error) return reason.name === 'AbortError' ? null : reason.message;
  return typeof reason === 'string' ? reason : null;
}
