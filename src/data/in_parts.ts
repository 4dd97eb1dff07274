/**
 * Long work in parts: a generator that says between two of them how far it is. Whoever runs it may rest there, so that a signal is heard
 * and progress is drawn; by itself it waits for nothing.
 */

export interface HowFar {
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  /** What is worked on: a file or a document. */
  readonly at?: string;
}

/** Work that ends with a `T`. */
export type InParts<T> = Generator<HowFar, T, void>;

export type Tell = (how: HowFar) => void;

/** Milliseconds of work between two rests: a key that is pressed is answered at once. */
const partMilliseconds = 50;

/** All of it without a rest: for work that is known to be short, and for whoever has nothing else to do. */
export function atOnce<T>(work: Generator<unknown, T, void>): T {
  for (;;) {
    const part = work.next();
    if (part.done) return part.value;
  }
}

/** With rests, each of which tells how far it is. */
export async function withRests<T>(work: InParts<T>, tell: Tell): Promise<T> {
  const rest = new Rests(tell);
  for (;;) {
    const part = work.next();
    if (part.done) return part.value;
    if (rest.isDue) await rest.take(part.value);
  }
}

/** Rests of work that itself waits: `if (rest.isDue) await rest.take(how)`. */
export class Rests {
  readonly #tell: Tell;
  #rested = performance.now();

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  get isDue(): boolean {
    return performance.now() - this.#rested >= partMilliseconds;
  }

  /** Tells how far the work is, and lets signals and timers have their turn. */
  async take(how: HowFar): Promise<void> {
    this.#tell(how);
    await new Promise((resume) => setImmediate(resume));
    this.#rested = performance.now();
  }
}
