/** How a configuration's ranks share a model, known before there is one. */
import type { TrainConfig } from '../../config/schema.js';
import { ranksTogether, sharedSizesOf } from '../../plan/nearest_sizes.js';
import { zeroStages } from '../../plan/plan.js';
import { ranksOfConfig } from '../choose_plan.js';
import type { ParallelShape } from './forecast.js';

/** Ranks of a job, in all (null: as many as the configuration says) and on this machine (null: all of them). */
export interface JobRanks {
  readonly worldSize: number | null;
  readonly localRanks: number | null;
}

export function shapeOf(config: TrainConfig, { worldSize, localRanks }: JobRanks): ParallelShape {
  const ranks = ranksOfConfig(config, worldSize);
  const sizes = typeof config.plan === 'string' ? null : config.plan;
  const shared = sizes && sharedSizesOf(sizes);
  const copy = shared ? shared.tensor * shared.pipeline : config.plan === 'auto' ? 1 : ranks;
  return {
    data: Math.max(1, Math.floor(ranks / (shared ? ranksTogether(shared) : copy))),
    copy,
    zeroStage: sizes ? zeroStages[sizes.zero_stage] : 0,
    localRanks: localRanks ?? ranks,
  };
}
