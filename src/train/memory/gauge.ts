/** What training takes of a rank's memory, as measured: the same quantity that the arena's prediction is of. */

/** Below this the growth of a process tells more of V8's heap than of the arena. */
const leastMeasurable = 64e6;

export class MemoryGauge {
  readonly #read: () => number | null;
  readonly #before: number | null;
  readonly #measurable: boolean;
  #peak: number | null = null;

  /**
   * Made before programs are loaded. `read`: bytes that this process takes now where its ranks compute; null where that is not known.
   * `arenaBytes`: as predicted, of one rank.
   */
  constructor(read: () => number | null, arenaBytes: number) {
    this.#read = read;
    this.#before = read();
    this.#measurable = arenaBytes >= leastMeasurable;
  }

  /** Bytes taken since; null where they cannot be told from the runtime's own. */
  sample(): number | null {
    const now = this.#read();
    if (!this.#measurable || now === null || this.#before === null || now <= this.#before) return null;
    const bytes = now - this.#before;
    this.#peak = Math.max(this.#peak ?? 0, bytes);
    return bytes;
  }

  /** The most of all samples. */
  get peak(): number | null {
    return this.#peak;
  }
}
