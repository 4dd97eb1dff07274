/** The programs of a run, or of one of its ranks: the training step, and the validation step that takes turns with it in one arena. */
import { flopsOfBlock, opNamed, wholeOf, type OpRegistry } from '../ir/op.js';
import { hashText } from '../ir/hash.js';
import type { LanguageModel } from '../nn/language_model.js';
import type { AdamW } from '../optim/options.js';
import type { PlacedGraphs } from '../partition/place_graphs.js';
import type { PlacedGraph } from '../partition/placed.js';
import { logicalMicrobatchesOf, type Plan } from '../plan/plan.js';
import { resolvePlan } from '../plan/resolve_plan.js';
import {
  compileForward,
  compileTraining,
  type CompiledProgram,
  type CompiledTraining,
  type CompileOptions,
} from '../compile/compile.js';
import type { Program, RankClass } from '../program/program.js';
import { shareArena } from '../memory/share_arena.js';
import type { Target } from '../kernels/target.js';

export interface RunPrograms {
  readonly training: CompiledTraining;
  readonly validation: CompiledProgram;
  /** The plan with nothing left open. */
  readonly resolved: Plan;
  /** Floating-point operations of one training step, over all ranks; those on padding are not counted. */
  readonly stepFlops: number;
}

export interface RunRequest {
  readonly model: LanguageModel;
  readonly optimizer: AdamW;
  readonly plan: Plan;
  /** How documents lie in a sequence; `packed` where absent. */
  readonly documents?: CompileOptions['documents'];
  readonly registry: OpRegistry;
  readonly target: Target;
  /** Its classes alone are compiled; null: those of all ranks. */
  readonly rank: number | null;
  /** What choices are priced by that the plan leaves open. Default: round figures. */
  readonly costs?: CompileOptions['costs'];
  /** Shown what each pass leaves of the training step. */
  readonly observe?: CompileOptions['observe'];
}

export function compileRun({
  model,
  optimizer,
  plan,
  documents,
  registry,
  target,
  rank,
  costs,
  observe,
}: RunRequest): RunPrograms {
  const request = { model, plan, documents, sequence: model.options.context, registry, target, costs, rank };
  const training = compileTraining({ ...request, optimizer, observe });
  const validation = compileForward({ ...request, what: 'loss', buckets: training.placed.buckets });
  return {
    training,
    resolved: resolvePlan(plan, { training: training.placed.choices, validation: validation.placed.choices }),
    validation: { ...validation, program: shareArena(validation.program, training.program, training.persistentBytes) },
    stepFlops:
      (logicalMicrobatchesOf(plan) / plan.batch.logical_microbatches) * flopsOf(training.placed.step, registry),
  };
}

/** Identifies a class: ranks of one must have the same. */
export const classHash = (rankClass: RankClass): string => hashText(JSON.stringify(rankClass));

/** Identifies a program, by its classes. */
export const programHash = ({ classes, groups, microbatches }: Program): string =>
  hashText(JSON.stringify({ groups, microbatches, classes: classes.map(classHash) }));

/** Identifies what a program is proved to compute. */
export const graphsHash = ({ step, update, buckets }: PlacedGraphs): string =>
  hashText(JSON.stringify({ step, update, buckets }));

/** Operations of a placed graph on whole values: what every rank computes alike counts once. */
function flopsOf({ steps }: PlacedGraph, registry: OpRegistry): number {
  let flops = 0;
  for (const step of steps) {
    if (step.kind !== 'op') continue;
    flops += flopsOfBlock(opNamed(registry, step.op), step.rule, wholeOf(step.rule), step.attributes);
  }
  return flops;
}
