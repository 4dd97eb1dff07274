/** When a run measures its validation loss, and what it came to last. */
import { bitsPerByte } from '../data/ngram.js';
import { evaluate } from './evaluate.js';
import { isDueWithin } from './is_due.js';
import type { LoadedJob } from './rank_job.js';
import type { Stopping } from './stopping.js';

export class Validation {
  readonly #job: LoadedJob;
  readonly #runSteps: () => number | null;
  readonly #stopping: Pick<Stopping, 'stopsHere'>;
  #last: { readonly loss: number; readonly step: number } | null = null;

  constructor(job: LoadedJob, runSteps: () => number | null, stopping: Pick<Stopping, 'stopsHere'>) {
    this.#job = job;
    this.#runSteps = runSteps;
    this.#stopping = stopping;
  }

  /** Nats a token, as last measured; null where it has not been, or not in this process. */
  get loss(): number | null {
    return this.#last?.loss ?? null;
  }

  /** The steps that were done when it was measured. */
  get step(): number | null {
    return this.#last?.step ?? null;
  }

  /** Whether a measurement is due within the run; at its end there is one in any case. */
  isDue(done: number): boolean {
    return isDueWithin(this.#job.config.evaluation.every_steps, done, this.#runSteps());
  }

  /** Measures, unless the job is to stop meanwhile. */
  async measure(done: number): Promise<void> {
    const { config, plan, dataset, events, validation, engine, leads } = this.#job;
    const stopsHere = () => this.#stopping.stopsHere(done);
    const { batches } = config.evaluation;
    const loss = await evaluate(validation, plan, engine.ranks, dataset.validation, batches, stopsHere);
    if (loss !== null) this.#last = { loss, step: done };
    if (leads && loss !== null)
      events.emit({ kind: 'validation', step: done, loss, bitsPerByte: bitsPerByte(loss, dataset.bytesPerToken) });
  }
}
