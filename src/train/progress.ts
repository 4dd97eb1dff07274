/** What a run tells of its steps, and what they come to in the end. */
import { bitsPerByte } from '../data/ngram.js';
import { elementsOf } from '../ir/type.js';
import { ranksOf } from '../plan/plan.js';
import { planText } from '../plan/plan_text.js';
import type { RunPrograms } from './compile_run.js';
import { countersAt } from './counters.js';
import type { RunSummary } from './events.js';
import { limitsOf } from './not_finite.js';
import type { LoadedJob } from './rank_job.js';
import type { StepOutcome } from './training_step.js';

/** Steps whose mean is the training loss of the summary. */
const lossWindow = 20;

export class Progress {
  readonly #job: LoadedJob;
  readonly #stepSeconds: number[] = [];
  readonly #losses: number[] = [];

  constructor(job: LoadedJob) {
    this.#job = job;
  }

  /** Of each step done in this process. */
  get stepSeconds(): readonly number[] {
    return this.#stepSeconds;
  }

  /** Takes note of a step; rank 0 tells of it. */
  tell({ step, loss, terms, tokens, gradNorm, skipped, lr, seconds }: StepOutcome): void {
    const { leads, events, memory } = this.#job;
    this.#stepSeconds.push(seconds);
    const memoryBytes = memory.sample();
    if (!leads || loss === null || tokens === null) return;
    this.#losses.push(loss);
    events.emit({
      kind: 'step',
      step: step + 1,
      loss,
      terms,
      gradNorm: gradNorm ?? NaN,
      lr,
      stepSeconds: seconds,
      tokensPerSecond: tokens / seconds,
      // More than all of a peak says that the peak was measured while the machine was busy.
      peakShare: atMostOne(this.#peakShare(seconds)),
      memoryBytes,
    });
    if (!skipped) return;
    const message = `step ${step + 1}: the gradient is not finite (norm ${gradNorm}), so nothing was updated${limitsOf(this.#job)}`;
    events.emit({ kind: 'warning', code: 'train/step-skipped', message });
  }

  /** `done`: steps of the run. */
  summary(
    done: number,
    measured: Pick<
      RunSummary,
      'skippedUpdates' | 'validationLoss' | 'validationStep' | 'setupSeconds' | 'trainSeconds'
    >,
  ): RunSummary {
    const { config, plan, folder, host, dataset, leads, tokensPerStep, peakBytes, memory, programs } = this.#job;
    const { validationLoss } = measured;
    const baselines = leads ? dataset.baselines() : null;
    const lastLosses = this.#losses.slice(-lossWindow);
    const stepSeconds = median(this.#stepSeconds.slice(Math.min(2, this.#stepSeconds.length - 1)));
    return {
      name: folder.name,
      ranks: ranksOf(plan),
      engine: host.kind,
      device: host.device,
      precision: config.precision,
      plan: planText(plan),
      parameters: parameterCount(programs),
      steps: done,
      tokens: countersAt(this.#job, done).tokens,
      trainingLoss: lastLosses.length > 0 ? lastLosses.reduce((a, b) => a + b, 0) / lastLosses.length : null,
      unigramLoss: baselines?.unigram.natsPerToken ?? null,
      bigramLoss: baselines?.bigram.natsPerToken ?? null,
      bitsPerByte: validationLoss === null ? null : bitsPerByte(validationLoss, dataset.bytesPerToken),
      keepsText: dataset.manifest.lost === undefined,
      tokensPerSecond: stepSeconds === null ? null : tokensPerStep / stepSeconds,
      stepSeconds,
      peakShare: stepSeconds === null ? null : this.#peakShare(stepSeconds),
      peakBytesPredicted: peakBytes,
      peakBytesMeasured: memory.peak,
      folder: folder.path,
      picture: null,
      ...measured,
    };
  }

  #peakShare(seconds: number): number | null {
    const { peakFlops, programs } = this.#job;
    return peakFlops === null ? null : programs.stepFlops / seconds / peakFlops;
  }
}

const atMostOne = (share: number | null): number | null => (share !== null && share > 1 ? null : share);

/** Elements of all parameters. */
export const parameterCount = ({ training }: RunPrograms): number =>
  training.parameters.reduce((sum, { type }) => sum + elementsOf(type), 0);

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
