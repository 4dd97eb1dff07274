/** The plan of a run: from sizes, from a file, or chosen. */
import { readFileSync } from 'node:fs';
import { configUnreadable } from './config_diagnostics.js';
import { describeModel } from '../plan/describe_model.js';
import { planForAnotherModel } from '../plan/diagnostics.js';
import { parsePlan } from '../plan/parse_plan.js';
import { planOfSizes, type ParallelSizes } from '../plan/parallel_sizes.js';
import { meshOf, ranksOf, type Plan } from '../plan/plan.js';
import type { LanguageModel } from '../nn/language_model.js';
import { worldSizeDiffers } from './diagnostics.js';
import type { TrainConfig } from './options.js';

/**
 * The plan that a configuration asks for. `worldSize`: how many ranks an outer launcher has started; null where that is ours to choose.
 * 'auto' is data parallelism over all ranks. Throws `plan/…` and `runtime/world-size-differs`.
 */
export function choosePlan(config: TrainConfig, model: LanguageModel, worldSize: number | null): Plan {
  if (typeof config.plan === 'string' && config.plan !== 'auto') {
    return readPlan(config.plan, model, worldSize ?? config.ranks);
  }
  const sizes: ParallelSizes = config.plan === 'auto' ? {} : sizesOf(config.plan as Sizes);
  const copy = (sizes.tensor_parallel_size ?? 1) * (sizes.pipeline_parallel_size ?? 1);
  const needed = sizes.data_parallel_size === undefined ? null : sizes.data_parallel_size * copy;
  const ranks = worldSize ?? config.ranks ?? needed ?? copy * Math.max(1, Math.floor(defaultRanks / copy));
  return planOfSizes(sizes, ranks, describeModel(model), config.batch, precisionOf(config));
}

/** `data 2 × tensor 1`, a stage after the other. */
export const planText = (plan: Plan): string =>
  plan.stages
    .map((stage) =>
      meshOf(stage)
        .axes.map(({ name, size }) => `${name} ${size}`)
        .join(' × '),
    )
    .join(' | ');

export const precisionOf = ({ precision }: TrainConfig): Plan['precision'] => ({
  compute: precision,
  master: precision === 'f64' ? 'f64' : 'f32',
});

/** Ranks of a machine without a GPU, where nothing else says how many. */
const defaultRanks = 2;

type Sizes = Exclude<TrainConfig['plan'], string>;

function sizesOf(sizes: Sizes): ParallelSizes {
  return {
    ...(sizes.data_parallel_size !== null && { data_parallel_size: sizes.data_parallel_size }),
    tensor_parallel_size: sizes.tensor_parallel_size,
    pipeline_parallel_size: sizes.pipeline_parallel_size,
    zero_stage: sizes.zero_stage === 1 ? 1 : 0,
  };
}

function readPlan(file: string, model: LanguageModel, worldSize: number | null): Plan {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const fix = "give 'auto', the path of a plan file, or sizes such as { data_parallel_size: 2 }";
    throw configUnreadable({ file, problem: `the plan cannot be read: ${(error as Error).message}`, fix });
  }
  const plan = parsePlan(text, file);
  const { name, hash } = describeModel(model);
  if (plan.model.hash !== hash) {
    throw planForAnotherModel({
      file,
      planned: `${plan.model.name} ${plan.model.hash}`,
      model: `${name} ${hash}`,
    });
  }
  if (worldSize !== null && ranksOf(plan) !== worldSize) {
    throw worldSizeDiffers({ world: worldSize, plan: ranksOf(plan), where: file });
  }
  return plan;
}
