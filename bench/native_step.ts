/** One rank of a training step in this process: compiled, loaded, with state, run step by step. What the benches and native tests share. */
import { NativeEngine, type NativeProgram, type NativeStepReport } from '../src/engine/native/engine.js';
import { placeOfRank } from '../src/engine/native/load_class.js';
import { decode } from '../src/engine/host_array.js';
import { deviceTypeOf, type DeviceType } from '../src/kernels/device.js';
import type { LanguageModel } from '../src/nn/language_model.js';
import { ops } from '../src/ops/index.js';
import { adamwScalars } from '../src/optim/adamw.js';
import { type AdamW } from '../src/optim/options.js';
import { describeModel } from '../src/plan/describe_model.js';
import { ranksTogether, sharedSizesOf } from '../src/plan/nearest_sizes.js';
import { planOfSizes, type ParallelSizes } from '../src/plan/parallel_sizes.js';
import type { PlannedBatch } from '../src/plan/share_batch.js';
import type { Plan } from '../src/plan/plan.js';
import { compileTraining, type CompiledProgram } from '../src/compile/compile.js';
import type { Program } from '../src/program/program.js';
import { compileRun } from '../src/train/compile_run.js';
import { initializeState } from '../src/run/load_state.js';
import { stateOf } from '../src/run/state.js';
import { writeBatch, writeMicrobatches, writeScalars, type Rows } from '../src/train/step_inputs.js';
import { fillArena } from './arena_bytes.js';

export interface StepSetup {
  readonly model: LanguageModel;
  readonly optimizer: AdamW;
  readonly sizes: ParallelSizes;
  readonly batch: PlannedBatch;
  readonly compute: 'bf16' | 'f32';
  /** Steps of the whole run, which the learning rate's schedule follows. */
  readonly runSteps: number;
  readonly seed: number;
  /** Whether a program for the validation loss shares the arena. */
  readonly validates?: boolean;
  /** Whether the plan is to be reproducible. */
  readonly reproducible?: boolean;
}

export interface RankOptions {
  readonly rank: number;
  /** `cpu`, `cuda:0`. */
  readonly device: string;
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
  readonly arenaBytes: number;
  /** Runs the step of this index, from 0, on a global batch. */
  step(index: number, rows: Rows, options?: { readonly trace?: boolean }): Promise<MeasuredStep>;
  /** Mean loss of a global batch, without training on it. */
  validate(rows: Rows): Promise<number>;
  close(): Promise<void>;
}

export interface MeasuredStep extends NativeStepReport {
  /** Mean loss of the batch, as the step summed it. */
  readonly loss: number;
  readonly gradientNorm: number;
}

export interface CompiledStep {
  readonly plan: Plan;
  readonly compiled: CompiledProgram;
  readonly validation: CompiledProgram | null;
}

export function compileStep(setup: StepSetup, target: DeviceType): CompiledStep {
  const { model, optimizer, sizes, batch, compute, validates, reproducible } = setup;
  const precision = { compute, master: 'f32' } as const;
  const plan = planOfSizes(sizes, ranksOfSizes(sizes), describeModel(model), batch, precision, { reproducible });
  if (validates) {
    const { training, validation } = compileRun({ model, optimizer, plan, registry: ops, target, rank: null });
    return { plan, compiled: training, validation };
  }
  const sequence = model.options.context;
  const compiled = compileTraining({ model, optimizer, plan, sequence, registry: ops, target });
  return { plan, compiled, validation: null };
}

/** Compiles and loads the step for one rank, with first values of the parameters and zero optimizer state. */
export async function openStep(setup: StepSetup, options: RankOptions): Promise<NativeStep> {
  return loadStep(setup, compileStep(setup, deviceTypeOf(options.device)), options);
}

export async function loadStep(
  { optimizer, runSteps, seed }: Pick<StepSetup, 'optimizer' | 'runSteps' | 'seed'>,
  { plan, compiled, validation }: CompiledStep,
  { rank, device, threads, meet, prefill = 0 }: RankOptions,
): Promise<NativeStep> {
  const programs = [compiled.program, ...(validation ? [validation.program] : [])];
  const arenaBytes = Math.max(...programs.map((program) => placeOfRank(program, rank).rankClass.arenaBytes));
  const engine = new NativeEngine({ registry: ops, rank, device, threads, arenaBytes });
  await meet?.(engine);
  if (prefill !== 0) await fillArena(engine.addon, arenaBytes, prefill);
  const [program, validating] = await loadAll(engine, programs);
  const ranks = [rank];
  const state = stateOf(compiled.placed, ranks);
  if (prefill !== 0) await zeroState(program, state, rank);
  await initializeState(program, state, compiled.parameters, seed);
  await writeMicrobatches(program, plan, ranks);
  return {
    plan,
    compiled,
    engine,
    program,
    rank,
    arenaBytes,
    async step(index, rows, run) {
      await writeScalars(program, ranks, { ...adamwScalars(optimizer, index, runSteps), step: index, seed });
      await writeBatch(program, plan, ranks, rows);
      const report = await program.run(run);
      return {
        ...report,
        loss: await meanLoss(program, rank),
        gradientNorm: await result(program, rank, 'gradient_norm'),
      };
    },
    async validate(rows) {
      await writeBatch(validating, plan, ranks, rows);
      await validating.run();
      return meanLoss(validating, rank);
    },
    close: () => engine.close(),
  };
}

/** One after the other: ranks that share groups load programs in one order. */
async function loadAll(engine: NativeEngine, programs: readonly Program[]): Promise<NativeProgram[]> {
  const loaded: NativeProgram[] = [];
  for (const program of programs) loaded.push(await engine.load(program));
  return loaded;
}

const meanLoss = async (program: NativeProgram, rank: number): Promise<number> =>
  (await result(program, rank, 'loss_sum')) / (await result(program, rank, 'tokens'));

/** A result of the step; NaN where the rank's stage does not have it. */
async function result(program: NativeProgram, rank: number, name: string): Promise<number> {
  const { results, values } = placeOfRank(program.program, rank).rankClass;
  if (results[name] === undefined) return NaN;
  return decode(values[results[name]].type.dtype, await program.read({ rank, name }))[0];
}

/** Optimizer state begins at zero; a fresh arena is zero already. */
async function zeroState(program: NativeProgram, state: ReturnType<typeof stateOf>, rank: number): Promise<void> {
  for (const { blocks } of state) {
    for (const block of blocks) {
      const place = { rank, name: block.value, elements: block.elements };
      await program.write(place, (await program.read(place)).fill(0 as never));
    }
  }
}

export const ranksOfSizes = (sizes: ParallelSizes): number =>
  (sizes.data_parallel_size ?? 1) * ranksTogether(sharedSizesOf(sizes));
