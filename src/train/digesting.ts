/** When a run writes digests of its steps, and of what. */
import { addContent, hashWords } from '../engine/content_hash.js';
import { openDigests } from '../run/digests.js';
import { hashedState, hashText, stateHashes, type HashedState } from '../run/state_hashes.js';
import type { Batch } from '../data/index.js';
import { countersAt } from './counters.js';
import type { LoadedJob } from './rank_job.js';
import type { StepOutcome } from './training_step.js';

export class Digesting {
  readonly #job: LoadedJob;
  readonly #parameters: HashedState;
  #file: ReturnType<typeof openDigests> | null = null;

  constructor(job: LoadedJob) {
    this.#job = job;
    const parameters = job.tensors.filter(({ kind }) => kind === 'parameter');
    this.#parameters = hashedState(parameters, job.engine.ranks);
  }

  /** Writes what the run begins from; nothing of a run that is to write no digests. */
  async begin(): Promise<void> {
    const { config, folder, peers, begins, training, tensors, engine } = this.#job;
    if (config.logging.digest_every_steps === null) return;
    const state = hashedState(tensors, engine.ranks);
    const hashes = await stateHashes(training, state);
    this.#attempt(() => {
      this.#file = openDigests(folder, peers.rank, begins.step);
      const parameters = this.#parameters.names.map((name) => state.names.indexOf(name));
      const { step } = begins;
      const { processes } = peers;
      this.#file.append({ kind: 'began', step, processes, tensors: [...state.names], parameters, state: hashes });
    });
  }

  /** Writes what a step came to, where it is due. */
  async note({ step, loss, gradNorm }: StepOutcome): Promise<void> {
    const { config, leads, training, dataset } = this.#job;
    const { digest_every_steps: every } = config.logging;
    if (this.#file === null || every === null || (step + 1) % every !== 0) return;
    const parameters = await stateHashes(training, this.#parameters);
    const { samples } = countersAt(this.#job, step);
    const data = dataHash(dataset.train.samples(samples, config.batch.sequences));
    const of = leads && { loss, gradient_norm: gradNorm, samples, data };
    this.#attempt(() => this.#file!.append({ kind: 'step', step: step + 1, ...of, parameters }));
  }

  /** A disk that is full must not end a run: it goes on without digests. */
  #attempt(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#file = null;
      const message = `no digests from here on: ${(error as Error).message}`;
      this.#job.events.emit({ kind: 'warning', code: 'train/digests-lost', message });
    }
  }
}

/** Of the sequences of a step in their order, labels behind tokens. */
export function dataHash({ tokens, labels }: Batch): string {
  const sums = new Uint32Array(hashWords);
  const box = { at: 0, start: 0, sizes: [tokens.length], strides: [1] };
  addContent(sums, tokens, box);
  addContent(sums, labels, { ...box, start: tokens.length });
  return hashText(sums);
}
