/** What a job's processes on one machine will take of its memory: a floor from the state, a ceiling from the graph, or exactly. */
import type { TrainConfig } from '../../config/schema.js';
import { dtypeBytes } from '../../ir/dtype.js';
import { bytesOf } from '../../ir/type.js';
import type { LanguageModel } from '../../nn/language_model.js';
import { ops } from '../../ops/index.js';
import { traceTraining } from '../../passes/trace_training.js';
import { meshRanks } from '../../ir/mesh.js';
import { meshesOf, type Plan, type ZeroStage } from '../../plan/plan.js';
import { arenaBytesOf } from '../../memory/share_arena.js';
import type { Target } from '../../kernels/target.js';
import { compileRun, type RunPrograms } from '../compile_run.js';

/**
 * What a rank's process takes besides its arena: Node, V8's heap after compiling, libtorch. 220 to 240 MB were measured for models of
 * 14 million parameters.
 */
export const runtimeBytes = 250e6;

/** Master weights and AdamW's two moments of each parameter. */
const stateValues = 3;

export interface ParallelShape {
  readonly data: number;
  /** Ranks that share one copy of the model. */
  readonly copy: number;
  readonly zeroStage: ZeroStage;
  /** Ranks on the machine. */
  readonly localRanks: number;
}

/** Less than this no program of so many parameters takes, whatever its activations: an equal share of the state on each rank. */
export function floorBytes(
  parameters: number,
  precision: TrainConfig['precision'],
  { data, copy, zeroStage, localRanks }: ParallelShape,
): number {
  const master = dtypeBytes[precision === 'f64' ? 'f64' : 'f32'];
  const all = stateValues * master;
  // At stages 1 and 2 the master is whole, or else its copy in the compute type is.
  const whole = { 0: all, 1: master, 2: master, 3: 0 }[zeroStage];
  const withMaster = whole + (all - whole) / data;
  const withCopy = dtypeBytes[precision] + all / data;
  const bytes = zeroStage === 1 || zeroStage === 2 ? Math.min(withMaster, withCopy) : withMaster;
  return localRanks * (runtimeBytes + (parameters / copy) * bytes);
}

/** More than this no program takes: every value of the step at once, for as many microbatches as a pipeline has under way. */
export function ceilingBytes(
  model: LanguageModel,
  plan: Plan,
  localRanks: number,
  documents: TrainConfig['data']['documents'] = 'packed',
): number {
  const { graph, parameters } = traceTraining(model, {
    microbatches: plan.batch.logical_microbatches,
    batch: plan.batch.sequences,
    sequence: model.options.context,
    dtype: plan.precision.master,
    documents,
  });
  const values = graph.values.reduce((sum, { type }) => sum + bytesOf(type), 0);
  const state = parameters.reduce((sum, { type }) => sum + bytesOf(type), 0);
  // In bf16 each value may stand beside its cast.
  return localRanks * (runtimeBytes + (stateValues + 2) * state + 2 * values * plan.chunks.length);
}

export interface ForecastRequest {
  readonly config: TrainConfig;
  readonly model: LanguageModel;
  readonly plan: Plan;
  readonly target: Target;
  readonly localRanks: number;
}

/** Bytes of the ranks on one machine, taken to be the first ones: their arenas, to the byte, and what runs them. */
export function forecastBytes({ config, model, plan, target, localRanks }: ForecastRequest): number {
  const optimizer = config.optimizer;
  const { documents } = config.data;
  const programs = compileRun({ model, optimizer, plan, documents, registry: ops, target, rank: null });
  return programBytes(programs, plan, localRanks);
}

/** The same, of programs that are compiled. */
export function programBytes({ training, validation }: RunPrograms, plan: Plan, localRanks: number): number {
  const arenas = meshesOf(plan).flatMap((mesh, group) => {
    const programs = [training.program, validation.program].map((program) => ({
      ...program,
      classes: program.classes.filter((one) => one.group === group),
    }));
    return new Array<number>(meshRanks(mesh)).fill(arenaBytesOf(programs));
  });
  return arenas.slice(0, localRanks).reduce((sum, arena) => sum + arena + runtimeBytes, 0);
}
