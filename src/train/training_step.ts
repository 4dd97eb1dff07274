/** One step: its inputs written, its program run, its results read. */
import { nameOf, termRole } from '../ir/role.js';
import type { StepCounts } from '../nn/denominators.js';
import { adamwScalars } from '../optim/adamw.js';
import { countersAt } from './counters.js';
import type { LoadedJob } from './rank_job.js';
import { readResult } from './results.js';
import { stepCounts, writeBatch, writeMicrobatches, writeScalars, type Rows } from './step_inputs.js';

/** What a step came to, as this process knows it: of a pipeline, one stage has the loss, and rank 0 is in it. */
export interface StepOutcome {
  /** From 0. */
  readonly step: number;
  /** Mean over the step's tokens. */
  readonly loss: number | null;
  /** What is trained on beside it, by name: each a mean over what it is averaged over, not weighed. */
  readonly terms: Readonly<Record<string, number>>;
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
  | 'training'
  | 'engine'
  | 'clock'
  | 'programs'
  | 'plan'
  | 'dataset'
  | 'config'
  | 'optimizer'
  | 'begins'
  | 'tokensPerStep'
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
    const counts = await this.writeInputs(step);
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
      terms: await this.#terms(counts),
      tokens,
      gradNorm: await readResult(training, rank, 'gradient_norm'),
      skipped,
      lr,
      seconds: (clock.elapsed() - began) / 1000,
    };
  }

  /** Returns what there is in the step of all that terms of the loss are averaged over. */
  async writeInputs(step: number): Promise<() => StepCounts> {
    const { training, engine, plan, dataset, config } = this.#job;
    const { ranks } = engine;
    const { samples } = countersAt(this.#job, step);
    const rows: Rows = (place, count) => dataset.train.samples(samples + place, count);
    let counted: StepCounts | null = null;
    const counts = () => (counted ??= stepCounts(plan, rows));
    await writeBatch(training, plan, ranks, rows, counts);
    await writeMicrobatches(training, plan, ranks);
    await writeScalars(training, ranks, { ...this.#scalars(step), seed: config.seed, step });
    return counts;
  }

  /** Of a rank whose stage has the loss. */
  async #terms(counts: () => StepCounts): Promise<StepOutcome['terms']> {
    const { training, engine, programs } = this.#job;
    const means: Record<string, number> = {};
    for (const { name, over } of programs.training.terms) {
      const sum = await readResult(training, engine.ranks[0], nameOf(termRole(name)));
      if (sum !== null) means[name] = sum / counts()[over];
    }
    return means;
  }

  #scalars(step: number) {
    // Until the length is known only warm-up matters, and that does not depend on it.
    return adamwScalars(this.#job.optimizer, step, this.#runSteps() ?? Number.MAX_SAFE_INTEGER, this.#updates);
  }
}
