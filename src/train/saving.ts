/** When a run saves, and what. */
import type { CheckpointState } from '../checkpoint/index.js';
import { tensorNotFinite } from '../checkpoint/diagnostics.js';
import { configHash } from '../config/file.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { describeModel } from '../plan/describe_model.js';
import { ranksOf } from '../plan/plan.js';
import { lockLost } from '../run/diagnostics.js';
import { requireLock } from '../run/lock.js';
import { packageVersion } from '../run/package_version.js';
import { saveState, type SaveOutcome } from '../run/save_state.js';
import { countersAt } from './counters.js';
import { isDueWithin } from './is_due.js';
import type { LoadedJob } from './rank_job.js';

/** What no later save can come through. */
const endsRun: readonly string[] = [tensorNotFinite.code, lockLost.code];

export class Saving {
  readonly #job: LoadedJob;
  readonly #runSteps: () => number | null;
  readonly #updates: () => number;
  #savedStep: number | null;
  #attempts = 0;

  /** `updates`: how many the optimizer has made. */
  constructor(job: LoadedJob, runSteps: () => number | null, updates: () => number) {
    this.#job = job;
    this.#runSteps = runSteps;
    this.#updates = updates;
    this.#savedStep = job.resume?.manifest.step ?? null;
  }

  /** Whether a checkpoint is due within the run; at its end there is one in any case. */
  isDue(done: number): boolean {
    return isDueWithin(this.#job.config.checkpoint.every_steps, done, this.#runSteps());
  }

  /**
   * Saves within the run; a failure is a warning, since a disk may have room again by its end. Throws `checkpoint/not-finite`, since
   * weights that are not finite do not become so again, and `run/lock-lost`.
   */
  async save(done: number): Promise<void> {
    try {
      await this.#write(done);
    } catch (error) {
      if (!(error instanceof DiagnosticError) || endsRun.includes(error.code)) throw error;
      this.#job.events.emit({ kind: 'warning', code: error.code, message: error.message });
    }
  }

  /** Saves the state that the run ends with, unless it is saved already. Throws `checkpoint/…`, `run/shards-lost`. */
  async saveLast(done: number): Promise<void> {
    if (this.#savedStep !== done) await this.#write(done);
  }

  async #write(done: number): Promise<void> {
    const { events, clock, leads, folder, lock } = this.#job;
    if (leads) requireLock(folder.path, lock);
    const began = clock.elapsed();
    const outcome = await this.#saveState(done);
    if (outcome.done) this.#savedStep = done;
    const saved = outcome.checkpoint;
    if (!saved) return;
    const seconds = (clock.elapsed() - began) / 1000;
    events.emit({ kind: 'checkpoint', step: done, path: saved.path, bytes: saved.bytes, seconds });
    for (const message of saved.warnings) events.emit({ kind: 'warning', code: 'checkpoint/old-remains', message });
  }

  #saveState(done: number): Promise<SaveOutcome> {
    const { config, folder, plan, training, engine, peers, tensors, disk } = this.#job;
    return saveState({
      directory: folder.checkpoints(config),
      disk,
      keep: config.checkpoint.keep ?? Infinity,
      state: this.#state(done),
      tensors,
      program: training,
      ranks: engine.ranks,
      leaders: peers.processes === 1 ? [0] : Array.from({ length: ranksOf(plan) }, (_, rank) => rank),
      peers,
      attempt: this.#attempts++,
      writtenBy: packageVersion(),
    });
  }

  #state(step: number): CheckpointState & { readonly run: string } {
    const { config, folder, model, dataset } = this.#job;
    const { samples, tokens } = countersAt(this.#job, step);
    const { name, hash } = describeModel(model);
    return {
      run: folder.id!,
      model: { name, hash },
      config_hash: configHash(config),
      step,
      tokens_seen: tokens,
      samples_seen: samples,
      data: { seed: dataset.train.seed, step },
      randomness: { seed: config.seed, step },
      schedule: { total_steps: this.#runSteps() ?? step },
      optimizer: { name: config.optimizer.name, step: this.#updates() },
    };
  }
}
