/** How many steps a run has: as configured, as decided before a resume, or as ten timed steps give for a number of minutes. */
import type { LoadedJob } from './rank_job.js';
import { warmupCut } from '../optim/schedule.js';
import { decidedAfter, stepsOfMinutes, validationOverhead } from './run_length.js';

export class RunLength {
  readonly #job: LoadedJob;
  #steps: number | null;

  constructor(job: LoadedJob) {
    this.#job = job;
    this.#steps = job.config.steps ?? job.record.steps;
  }

  /** Null until it is decided. */
  get steps(): number | null {
    return this.#steps;
  }

  /** Whether it is to be decided now, with so many steps done in this process. */
  isDue(doneHere: number): boolean {
    return this.#steps === null && doneHere >= decidedAfter;
  }

  /** Rank 0's clock decides for all. `done`: steps of the run. */
  async decide(done: number, stepSeconds: readonly number[]): Promise<void> {
    const { peers, leads } = this.#job;
    if (leads) await peers.set('length', String(this.#ofMinutes(stepSeconds)));
    const steps = Number(await peers.get('length'));
    this.#steps = Math.max(steps, done);
    if (!leads) return;
    const { folder, events } = this.#job;
    try {
      folder.writeRecord({ ...folder.readRecord(), steps });
    } catch (error) {
      const message = `the run's length could not be written: ${(error as Error).message}`;
      events.emit({ kind: 'warning', code: 'train/length-lost', message });
    }
    events.emit({ kind: 'length', steps });
    const cut = warmupCut(this.#job.optimizer, steps);
    if (cut) events.emit({ kind: 'warning', ...cut });
  }

  #ofMinutes(stepSeconds: readonly number[]): number {
    const { config, begins } = this.#job;
    const { every_steps: every, batches } = config.evaluation;
    const overhead = validationOverhead({ every, batches });
    return begins.step + stepsOfMinutes({ minutes: config.minutes ?? 5, stepSeconds, overhead });
  }
}
