/**
 * The plan: everything that is chosen about a run, as data. The planner, flags, the engine, the simulator and exporters all speak it.
 *
 * Versioned and validated; `docs/plan.md` explains each field.
 */
import { mesh, type AxisName, type Mesh } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import type { ScheduleKind } from '../schedule/table.js';

export const planVersion = 1;

export interface Plan {
  readonly flotilla_plan: typeof planVersion;
  readonly model: { readonly name: string; readonly hash: string };
  /** Pipeline stages, first to last: the segments each runs, and its mesh. Global ranks follow in order. */
  readonly stages: readonly PlanStage[];
  readonly schedule: { readonly kind: ScheduleKind; readonly microbatches: number };
  /**
   * Logical microbatches in a scheduled one, sequences in a logical one, and how many logical microbatches at the end of the last
   * scheduled one are padding: they have no tokens, and count nothing.
   */
  readonly batch: { readonly logical_microbatches: number; readonly sequences: number; readonly padding: number };
  /**
   * Factor → the axes over which parameters and data that have it are split, by the first of their factors that is listed. Ops follow
   * from there. An axis that a stage's mesh lacks splits nothing there.
   */
  readonly split: Readonly<Record<FactorName, readonly AxisName[]>>;
  /** Uneven boundaries of a factor, where it is split: `{ "heads": [0, 5, 7] }`. */
  readonly bounds: Readonly<Record<FactorName, readonly number[]>>;
  /** 1: optimizer state (and the update) is split over `axis`, which parameters are replicated over. 0: nothing more is split. */
  readonly zero: { readonly stage: 0 | 1; readonly axis: AxisName };
  readonly precision: { readonly compute: 'bf16' | 'f32' | 'f64'; readonly master: 'f32' | 'f64' };
  /** What the compiler predicts of it; null until it has been compiled. */
  readonly predicted: { readonly peak_bytes: number } | null;
}

export interface PlanStage {
  readonly segments: readonly string[];
  readonly mesh: Readonly<Record<AxisName, number>>;
}

export const meshOf = (stage: PlanStage): Mesh => mesh(stage.mesh);

export const ranksOfStage = (stage: PlanStage): number => Object.values(stage.mesh).reduce((a, b) => a * b, 1);

export const ranksOf = (plan: Plan): number => plan.stages.reduce((n, stage) => n + ranksOfStage(stage), 0);
/** Logical microbatches that a step reads: those of its schedule without the padding. */
export const logicalMicrobatchesOf = ({ schedule, batch }: Pick<Plan, 'schedule' | 'batch'>): number =>
  schedule.microbatches * batch.logical_microbatches - batch.padding;

/** Sequences that a step reads, over all ranks. */
export const sequencesOf = (plan: Pick<Plan, 'schedule' | 'batch'>): number =>
  logicalMicrobatchesOf(plan) * plan.batch.sequences;
