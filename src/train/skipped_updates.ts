/**
 * Updates that were left out, since a gradient was not finite. Now and then one is no harm; a run that leaves out most of them trains
 * nothing, and says so instead of going on to its end.
 */
import { updatesSkipped } from './diagnostics.js';
import type { NonFinite } from '../engine/engine.js';
import type { StepOutcome } from './training_step.js';

/** Of so many updates in a row, at most half may be left out. */
export const skipWindow = 20;

export interface EndOfSkips {
  readonly step: number;
  /** The first value that is not finite, where the newest update was left out and it was looked for. */
  readonly first: NonFinite | null;
  /** What would keep the update before in bounds (`divergence.ts`); null: none was made. */
  readonly taming: string | null;
  /** See `limitsOf`. */
  readonly limits: string;
  /** Whether that was its last step. */
  readonly complete: boolean;
}

export class SkippedUpdates {
  /** Of the last `skipWindow` updates, the oldest first. */
  readonly #recent: boolean[] = [];
  #steps = 0;
  #skipped = 0;

  /** In this process's part of the run. */
  get count(): number {
    return this.#skipped;
  }

  note({ skipped }: StepOutcome): void {
    this.#steps++;
    if (skipped) this.#skipped++;
    this.#recent.push(skipped);
    if (this.#recent.length > skipWindow) this.#recent.shift();
  }

  /** Whether most of the last `skipWindow` updates were left out, the newest among them. */
  get tooMany(): boolean {
    const skipped = this.#recent.filter(Boolean).length;
    return this.#recent.length === skipWindow && skipped > skipWindow / 2 && this.#recent[skipWindow - 1];
  }

  /** Whether most of all were: asked at a run's end, which may come before the window is full. */
  get mostOfAll(): boolean {
    return this.#skipped > this.#steps / 2;
  }

  /** Of the run after a step; see {@link EndOfSkips}. */
  error(end: EndOfSkips) {
    const recent = this.#recent.filter(Boolean).length;
    const [skipped, of] = this.tooMany ? [recent, skipWindow] : [this.#skipped, this.#steps];
    return updatesSkipped({ ...end, skipped, of });
  }
}
