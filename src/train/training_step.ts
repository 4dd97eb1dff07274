/** One step: its inputs written, its program run, its results read. */
import { adamwScalars } from '../optim/adamw.js';
import { countersAt } from './counters.js';
import type { LoadedJob } from './rank_job.js';
import { readResult } from './results.js';
import { writeBatch, writeMicrobatches, writeScalars } from './step_inputs.js';

/** What a step came to, as this process knows it: of a pipeline, one stage has the loss, and rank 0 is in it. */
export interface StepOutcome {
  /** From 0. */
  readonly step: number;
  /** Mean over the step's tokens. */
  readonly loss: number | null;
  readonly tokens: number | null;
  /** Before clipping. */
  readonly gradNorm: number | null;
  /** Whether the update was left out, since a gradient was not finite. */
  readonly skipped: boolean;
  readonly lr: number;
  readonly seconds: number;
}

/** An update that was made. */
export interface MadeUpdate {
  /** From 0. */
  readonly step: number;
  readonly lr: number;
}

/** What a step is taken with. */
export type StepJob = Pick<
  LoadedJob,
  'training' | 'engine' | 'clock' | 'plan' | 'dataset' | 'config' | 'optimizer' | 'begins' | 'tokensPerStep'
> & { readonly host: Pick<LoadedJob['host'], 'trace'> };

export class TrainingStep {
  readonly #job: StepJob;
  readonly #runSteps: () => number | null;
  #updates: number;
  #lastUpdate: MadeUpdate | null = null;
  #weightsFrom: MadeUpdate | null = null;

  /** `runSteps`: length of the run, null until it is known. `updates`: made before. */
  constructor(job: StepJob, runSteps: () => number | null, updates: number) {
    this.#job = job;
    this.#runSteps = runSteps;
    this.#updates = updates;
  }

  /** Updates made since the run began: the optimizer's count. A step whose update was left out is none. */
  get updates(): number {
    return this.#updates;
  }

  /** Of the run; null until it is known. */
  get runSteps(): number | null {
    return this.#runSteps();
  }

  /** The update that the newest step began from; null: it began from what this process was given. */
  get weightsFrom(): MadeUpdate | null {
    return this.#weightsFrom;
  }

  /** `traced`: the host takes notes of the launches. */
  async run(step: number, { traced }: { readonly traced: boolean }): Promise<StepOutcome> {
    const { training, engine, host, clock } = this.#job;
    const began = clock.elapsed();
    this.#weightsFrom = this.#lastUpdate;
    await this.writeInputs(step);
    if (traced && host.trace) await host.trace.run(training);
    else await training.run();
    const [rank] = engine.ranks;
    const tokens = await readResult(training, rank, 'tokens');
    const lossSum = await readResult(training, rank, 'loss_sum');
    const skipped = ((await readResult(training, rank, 'skipped')) ?? 0) > 0;
    const { lr } = this.#scalars(step);
    if (!skipped) {
      this.#updates++;
      this.#lastUpdate = { step, lr };
    }
    return {
      step,
      loss: tokens === null || lossSum === null ? null : lossSum / tokens,
      tokens,
      gradNorm: await readResult(training, rank, 'gradient_norm'),
      skipped,
      lr,
      seconds: (clock.elapsed() - began) / 1000,
    };
  }

  async writeInputs(step: number): Promise<void> {
    const { training, engine, plan, dataset, config } = this.#job;
    const { ranks } = engine;
    const { samples } = countersAt(this.#job, step);
    await writeBatch(training, plan, ranks, (place, count) => dataset.train.samples(samples + place, count));
    await writeMicrobatches(training, plan, ranks);
    await writeScalars(training, ranks, { ...this.#scalars(step), seed: config.seed, step });
  }

  #scalars(step: number) {
    // Until the length is known only warm-up matters, and that does not depend on it.
    return adamwScalars(this.#job.optimizer, step, this.#runSteps() ?? Number.MAX_SAFE_INTEGER, this.#updates);
  }
}
