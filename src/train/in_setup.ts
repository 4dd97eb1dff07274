/** A part of the set-up, told: a person who waits is to see for what, and what each part took adds up to the whole. */
import type { TrainEvents } from './events.js';

/** Tells that a part of the set-up begins, does it, and tells how long it took. What fails is no part that has ended. */
export async function inSetup<T>(events: TrainEvents, part: string, work: () => T | Promise<T>): Promise<T> {
  const end = beginSetup(events, part);
  const result = await work();
  end();
  return result;
}

/** Tells that a part of the set-up begins; what it gives tells, once, that it has ended. */
export function beginSetup(events: TrainEvents, part: string): () => void {
  const began = performance.now();
  let hasEnded = false;
  events.emit({ kind: 'setup_started', part });
  return () => {
    if (hasEnded) return;
    hasEnded = true;
    events.emit({ kind: 'setup_finished', part, seconds: (performance.now() - began) / 1000 });
  };
}

/** Tells what the program took until its run is set up. `launchedAt`: milliseconds since 1970. */
export function tellProgram(events: TrainEvents, launchedAt: number): void {
  events.emit({ kind: 'setup_finished', part: 'program', seconds: (Date.now() - launchedAt) / 1000 });
}
