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

/** Milliseconds of work between two rests: a key that is pressed is answered at once. */
const partMilliseconds = 50;

/** With rests, each of which tells how far it is. */
export async function withRests<T>(work: InParts<T>, tell: (how: HowFar) => void): Promise<T> {
  for (let rested = performance.now(); ;) {
    const part = work.next();
    if (part.done) return part.value;
    if (performance.now() - rested < partMilliseconds) continue;
    tell(part.value);
    await new Promise((resume) => setImmediate(resume));
    rested = performance.now();
  }
}
