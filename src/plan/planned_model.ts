/** What a plan knows of a model. */
import type { FactorName } from '../ir/type.js';

/** What a plan needs to know of the model. */
export interface PlannedModel {
  readonly name: string;
  readonly hash: string;
  readonly segments: readonly string[];
  /** Sizes of factors that tensor parallelism splits: `heads`, `hidden`, `vocab`, … */
  readonly factors: Readonly<Record<FactorName, number>>;
  /** Sizes of every factor that parameters or sequences have: one each, unless a model uses a name for two things. */
  readonly sizes: Readonly<Record<FactorName, readonly number[]>>;
  /** In how many runs tokens of a sequence queue for experts apart, where all layers have as many; else 1. */
  readonly tokenGroups: number;
  /** The factors of each parameter, in its type's order. */
  readonly parameters: readonly (readonly FactorName[])[];
}

/** Factors that tensor parallelism splits, the first of them that a parameter has (Shoeybi et al. 2019, §3). */
export const tensorFactors: readonly FactorName[] = ['heads', 'kv_group', 'hidden', 'vocab', 'experts'];
