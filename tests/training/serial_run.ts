/** Training without a run: one rank, no folder, no checkpoint, batches of any size one after another. What resumed runs are held against. */
import type { TrainOptions } from '../../src/config/schema.js';
import { modelOf } from '../../src/config/model_objects.js';
import { resolveConfig } from '../../src/config/resolve.js';
import type { LoadedProgram } from '../../src/engine/engine.js';
import { ReferenceEngine } from '../../src/engine/reference/index.js';
import { ops } from '../../src/ops/index.js';
import { adamwScalars } from '../../src/optim/adamw.js';
import { describeModel } from '../../src/plan/describe_model.js';
import { planOfSizes } from '../../src/plan/parallel_sizes.js';
import type { Plan } from '../../src/plan/plan.js';
import { initializeState } from '../../src/run/load_state.js';
import { stateOf, type StateTensor } from '../../src/run/state.js';
import { compileRun } from '../../src/train/compile_run.js';
import { readResult } from '../../src/train/results.js';
import { writeBatch, writeMicrobatches, writeScalars } from '../../src/train/step_inputs.js';

interface Loaded {
  readonly plan: Plan;
  readonly program: LoadedProgram;
  readonly tensors: readonly StateTensor[];
}

export class SerialRun {
  readonly #config;
  /** By the number of sequences. Each has its own copy of the state; the newest is that of the last step. */
  readonly #programs = new Map<number, Loaded>();
  #newest: Loaded | null = null;
  #steps = 0;

  constructor(options: TrainOptions) {
    this.#config = resolveConfig({ precision: 'f32', ...options }).config;
  }

  /** Trains on sequences of context + 1 tokens; gives the loss. */
  async step(rows: readonly Int32Array[]): Promise<number> {
    const loaded = await this.#of(rows.length);
    const { plan, program } = loaded;
    const context = rows[0].length - 1;
    await writeBatch(program, plan, [0], (first, count) => {
      const chosen = rows.slice(first, first + count);
      const flat = (from: number) => Int32Array.from(chosen.flatMap((row) => [...row.subarray(from, from + context)]));
      return { tokens: flat(0), labels: flat(1) };
    });
    await writeMicrobatches(program, plan, [0]);
    const step = this.#steps++;
    const scalars = adamwScalars(this.#config.optimizer, step, step + 1);
    await writeScalars(program, [0], { ...scalars, seed: this.#config.seed, step });
    await program.run();
    const [lossSum, tokens] = [await readResult(program, 0, 'loss_sum'), await readResult(program, 0, 'tokens')];
    return lossSum! / tokens!;
  }

  /** The program for so many sequences, with the state after the last step. */
  async #of(sequences: number): Promise<Loaded> {
    const loaded = this.#programs.get(sequences) ?? (await this.#load(sequences));
    this.#programs.set(sequences, loaded);
    const newest = this.#newest;
    if (newest !== null && newest !== loaded) {
      for (const [i, { blocks }] of newest.tensors.entries()) {
        const place = ({ value, elements }: (typeof blocks)[number]) => ({ rank: 0, name: value, elements });
        await loaded.program.write(place(loaded.tensors[i].blocks[0]), await newest.program.read(place(blocks[0])));
      }
    }
    this.#newest = loaded;
    return loaded;
  }

  async #load(sequences: number): Promise<Loaded> {
    const config = this.#config;
    const model = modelOf(config.model, config.model.vocab!)!;
    const batch = { sequences, microbatch: sequences };
    const plan = planOfSizes({}, 1, describeModel(model), batch, { compute: 'f32', master: 'f32' });
    const optimizer = config.optimizer;
    const { training } = compileRun({ model, optimizer, plan, registry: ops, target: 'reference', rank: null });
    const program = await new ReferenceEngine({ registry: ops }).load(training.program);
    const tensors = stateOf(training.placed, [0]);
    if (this.#newest === null) {
      await initializeState(program, tensors, training.parameters, config.seed);
    }
    return { plan, program, tensors };
  }
}
