/** A run's program on engines of this process, with the state of some step: steps of it can be taken again. */
import type { Checkpoint } from '../../checkpoint/index.js';
import type { TrainConfig } from '../../config/schema.js';
import type { Dataset } from '../../data/index.js';
import type { LoadedProgram } from '../../engine/engine.js';
import type { Watcher } from '../../engine/written.js';
import type { LanguageModel } from '../../nn/language_model.js';
import type { DType } from '../../ir/dtype.js';
import { decode, encode } from '../../engine/host_array.js';
import { bytesOf } from '../../ir/type.js';
import { ops } from '../../ops/index.js';
import type { Plan } from '../../plan/plan.js';
import { placeRanks } from '../../engine/reference/virtual_rank.js';
import { bytesFrom, cutBlock, elementsFrom, pasteBlock } from '../../run/blocks.js';
import { hex } from '../../run/digests.js';
import { initializeState, restoreState } from '../../run/load_state.js';
import { stateOf, type StateBlock, type StateTensor } from '../../run/state.js';
import { hashedState } from '../../run/state_hashes.js';
import { hashWords } from '../../engine/content_hash.js';
import { systemClock } from '../../train/clock.js';
import { compileRun, type RunPrograms } from '../../train/compile_run.js';
import type { Counters } from '../../train/counters.js';
import { targetOf } from '../../train/device.js';
import { loadWeights } from '../../train/initial_weights.js';
import { TrainingStep } from '../../train/training_step.js';
import type { OpenedEngines, OpenEngines } from './engines.js';

/** What is replayed. */
export interface ReplayRequest {
  /** Of the run, for messages. */
  readonly path: string;
  readonly config: TrainConfig;
  readonly plan: Plan;
  readonly model: LanguageModel;
  readonly dataset: Dataset;
  /** Length of the run, which the schedule of learning rates follows; null: not known yet. */
  readonly runSteps: number | null;
  readonly open: OpenEngines;
}

/** Whole tensors, as checkpoints have them, and how many updates were made. */
export interface WholeState {
  readonly tensors: ReadonlyMap<string, WholeTensor>;
  readonly updates: number;
}

export interface WholeTensor {
  readonly dtype: DType;
  readonly bytes: Uint8Array;
  readonly isParameter: boolean;
}

interface Part {
  readonly program: LoadedProgram;
  readonly ranks: readonly number[];
  readonly tensors: readonly StateTensor[];
  readonly step: TrainingStep;
}

export class ReplayedRun {
  readonly programs: RunPrograms;
  readonly request: ReplayRequest;
  readonly #engines: OpenedEngines;
  readonly #loaded: readonly LoadedProgram[];
  #parts: readonly Part[] = [];

  private constructor(
    request: ReplayRequest,
    programs: RunPrograms,
    engines: OpenedEngines,
    loaded: readonly LoadedProgram[],
  ) {
    this.request = request;
    this.programs = programs;
    this.#engines = engines;
    this.#loaded = loaded;
  }

  /** Throws `plan/…`, `engine/…`, `compare/too-large`. */
  static async open(request: ReplayRequest): Promise<ReplayedRun> {
    const { path, config, plan, model, open } = request;
    const { optimizer, data } = config;
    const programs = compileRun({
      ...{ model, optimizer, plan, documents: data.documents },
      ...{ registry: ops, target: targetOf(config), rank: null },
    });
    const { program } = programs.training;
    const opened = await open(path, config, program);
    const loaded = await Promise.all(opened.engines.map((engine) => engine.load(program)));
    return new ReplayedRun(request, programs, opened, loaded);
  }

  /** Takes the state of a checkpoint, or first values. `begins`: what was done by then. */
  async begin(begins: Counters, checkpoint: Checkpoint | null): Promise<void> {
    this.#place(begins, checkpoint?.manifest.optimizer.step ?? 0);
    const { config } = this.request;
    for (const { program, tensors } of this.#parts) {
      if (checkpoint) await restoreState(program, tensors, checkpoint);
      else {
        await initializeState(program, tensors, this.programs.training.parameters, config.seed);
        const { initial_load_path: weights } = config.checkpoint;
        if (weights !== null) await loadWeights(program, tensors, weights);
      }
    }
  }

  /** Takes the state of another run. */
  async take({ tensors: wholes, updates }: WholeState, begins: Counters): Promise<void> {
    this.#place(begins, updates);
    for (const { program, tensors } of this.#parts) {
      for (const { name, global, blocks } of tensors) {
        for (const block of blocks) {
          const { dtype, bytes } = wholes.get(name)!;
          const elements = elementsFrom(dtype, cutBlock(bytes, { ...global, dtype }, block.tiles));
          const own = dtype === global.dtype ? elements : encode(global.dtype, decode(dtype, elements));
          await program.write(placeOf(block), own);
        }
      }
    }
  }

  /** Takes a step, from 0. */
  async run(step: number): Promise<void> {
    await this.#together(({ step: taken }) => taken.run(step, { traced: false }));
  }

  /** Takes a step, from 0, and shows what is written in it. */
  async watch(step: number, see: Watcher): Promise<void> {
    for (const part of this.#parts) await part.step.writeInputs(step);
    await this.#together(({ program }) => program.watch(see));
  }

  async state(): Promise<WholeState> {
    const tensors = new Map<string, WholeTensor>();
    for (const { program, ranks, tensors: held } of this.#parts) {
      for (const { name, kind, global, parts } of held) {
        const { dtype } = global;
        const whole = tensors.get(name) ?? {
          dtype,
          bytes: new Uint8Array(bytesOf(global)),
          isParameter: kind === 'parameter',
        };
        tensors.set(name, whole);
        for (const part of parts) {
          if (ranks.includes(part.rank))
            pasteBlock(whole.bytes, global, part.tiles, bytesFrom(await program.read(placeOf(part))));
        }
      }
    }
    return { tensors, updates: this.#parts[0].step.updates };
  }

  /** Parameter → the hash of its content, as digests have it. */
  async parameterHashes(): Promise<ReadonlyMap<string, string>> {
    const sums = new Map<string, Uint32Array>();
    for (const { program, ranks, tensors } of this.#parts) {
      const { names, blocks } = hashedState(
        tensors.filter(({ kind }) => kind === 'parameter'),
        ranks,
      );
      const words = await program.hash(blocks);
      for (const [i, name] of names.entries()) {
        const sum = sums.get(name) ?? new Uint32Array(hashWords);
        sums.set(name, sum);
        for (let k = 0; k < hashWords; k++) sum[k] += words[i * hashWords + k];
      }
    }
    return new Map([...sums].map(([name, words]) => [name, hex(words)]));
  }

  close(): Promise<void> {
    return this.#engines.close();
  }

  /** Work of all ranks at the same time: where one fails, no other waits for it. */
  async #together(work: (part: Part) => Promise<unknown>): Promise<void> {
    try {
      await Promise.all(this.#parts.map(work));
    } catch (error) {
      this.#engines.abort('another rank failed');
      throw error;
    }
  }

  #place(begins: Counters, updates: number): void {
    const { config, plan, model, dataset, runSteps } = this.request;
    const { placed, program } = this.programs.training;
    const all = placeRanks(program).map(({ rank }) => rank);
    this.#parts = this.#engines.engines.map((engine, i) => {
      const ranks = engine.ranks.length > 0 ? engine.ranks : all;
      const job = {
        training: this.#loaded[i],
        programs: this.programs,
        engine,
        host: {},
        clock: systemClock,
        plan,
        dataset,
        config,
        optimizer: config.optimizer,
        begins,
        tokensPerStep: config.batch.sequences * model.options.context,
      };
      const step = new TrainingStep(job, () => runSteps, updates);
      return { program: this.#loaded[i], ranks, tensors: stateOf(placed, ranks), step };
    });
  }
}

const placeOf = ({ rank, value, elements }: StateBlock) => ({ rank, name: value, elements });
