/** One rank of a training step in this process: compiled, loaded, with state, run step by step. What the benches and native tests share. */
import { NativeEngine, type NativeProgram, type NativeStepReport } from '../src/engine/native/engine.js';
import { placeOfRank } from '../src/engine/native/load_class.js';
import { decode } from '../src/engine/host_array.js';
import type { LanguageModel } from '../src/nn/language_model.js';
import { ops } from '../src/ops/index.js';
import { adamwScalars, type AdamW } from '../src/optim/adamw.js';
import { describeModel } from '../src/plan/describe_model.js';
import { planOfSizes, type ParallelSizes, type PlannedBatch } from '../src/plan/parallel_sizes.js';
import { ranksOf, type Plan } from '../src/plan/plan.js';
import { compileTraining, type CompiledProgram } from '../src/program/compile.js';
import { initializeState } from '../src/runtime/load_state.js';
import { stateOf } from '../src/runtime/state.js';
import { writeBatch, writeMicrobatches, writeScalars, type Rows } from '../src/runtime/step_inputs.js';

export interface StepSetup {
  readonly model: LanguageModel;
  readonly optimizer: AdamW;
  readonly sizes: ParallelSizes;
  readonly batch: PlannedBatch;
  readonly compute: 'bf16' | 'f32';
  /** Steps of the whole run, which the learning rate's schedule follows. */
  readonly runSteps: number;
  readonly seed: number;
}

export interface RankOptions {
  readonly rank: number;
  readonly threads: number;
  /** Meets the other ranks, where there are any, before the program is loaded. */
  readonly meet?: (engine: NativeEngine) => Promise<void>;
  /** The byte that the arena is filled with before anything is written; zero if absent. */
  readonly prefill?: number;
}

export interface NativeStep {
  readonly plan: Plan;
  readonly compiled: CompiledProgram;
  readonly engine: NativeEngine;
  readonly program: NativeProgram;
  readonly rank: number;
  /** Runs the step of this index, from 0, on a global batch. */
  step(index: number, rows: Rows, options?: { readonly trace?: boolean }): Promise<MeasuredStep>;
  close(): Promise<void>;
}

export interface MeasuredStep extends NativeStepReport {
  /** Mean loss of the batch, as the step summed it. */
  readonly loss: number;
  readonly gradientNorm: number;
}

export function planOf({ model, sizes, batch, compute }: StepSetup, ranks = ranksOfSizes(sizes)): Plan {
  return planOfSizes(sizes, ranks, describeModel(model), batch, { compute, master: 'f32' });
}

export function compileStep(setup: StepSetup): { readonly plan: Plan; readonly compiled: CompiledProgram } {
  const plan = planOf(setup);
  const { model, optimizer } = setup;
  const sequence = model.options.context;
  return { plan, compiled: compileTraining({ model, optimizer, plan, sequence, registry: ops, target: 'native' }) };
}

/** Compiles and loads the step for one rank, with first values of the parameters and zero optimizer state. */
export async function openStep(setup: StepSetup, options: RankOptions): Promise<NativeStep> {
  return loadStep(setup, compileStep(setup), options);
}

export async function loadStep(
  { optimizer, runSteps, seed }: StepSetup,
  { plan, compiled }: ReturnType<typeof compileStep>,
  { rank, threads, meet, prefill = 0 }: RankOptions,
): Promise<NativeStep> {
  const { arenaBytes } = placeOfRank(compiled.program, rank).rankClass;
  const engine = new NativeEngine({ registry: ops, rank, device: 'cpu', threads, arenaBytes });
  if (meet) await meet(engine);
  if (prefill !== 0) new Uint8Array(engine.addon.memory(0, arenaBytes)).fill(prefill);
  const program = await engine.load(compiled.program);
  const ranks = [rank];
  const state = stateOf(compiled.program);
  if (prefill !== 0) await zeroState(program, state, rank);
  await initializeState(program, state, compiled.parameters, { ranks, seed });
  await writeMicrobatches(program, plan, ranks);
  const result = async (name: string) => decode('f32', await program.read({ rank, name }))[0];
  return {
    plan,
    compiled,
    engine,
    program,
    rank,
    async step(index, rows, run) {
      await writeScalars(program, ranks, { ...adamwScalars(optimizer, index, runSteps), step: index, seed });
      await writeBatch(program, plan, ranks, rows);
      const report = await program.run(run);
      const { results } = placeOfRank(compiled.program, rank).rankClass;
      const has = (name: string) => results[name] !== undefined;
      return {
        ...report,
        loss: has('loss_sum') ? (await result('loss_sum')) / (await result('tokens')) : NaN,
        gradientNorm: has('gradient_norm') ? await result('gradient_norm') : NaN,
      };
    },
    close: () => engine.close(),
  };
}

/** Optimizer state begins at zero; a fresh arena is zero already. */
async function zeroState(program: NativeProgram, state: ReturnType<typeof stateOf>, rank: number): Promise<void> {
  for (const { blocks } of state) {
    for (const block of blocks) {
      if (block.rank !== rank) continue;
      const now = await program.read({ rank, name: block.value });
      await program.write({ rank, name: block.value }, now.fill(0 as never));
    }
  }
}

/** Rows of a batch of numbers that mean nothing: for measurements in which tokens don't matter. */
export function randomRows(vocab: number, sequences: number, context: number, seed = 1): Rows {
  let state = seed >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const text = Int32Array.from({ length: sequences * (context + 1) }, () => Math.floor(next() * vocab));
  const part = (first: number, count: number, shift: number) => {
    const out = new Int32Array(count * context);
    for (let i = 0; i < count; i++) {
      const start = (first + i) * (context + 1) + shift;
      out.set(text.subarray(start, start + context), i * context);
    }
    return out;
  };
  return (first, count) => ({ tokens: part(first, count, 0), labels: part(first, count, 1) });
}

export const ranksOfSizes = (sizes: ParallelSizes): number =>
  (sizes.data_parallel_size ?? 1) * (sizes.tensor_parallel_size ?? 1) * (sizes.pipeline_parallel_size ?? 1);

export { ranksOf };
