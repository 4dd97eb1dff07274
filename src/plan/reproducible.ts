/**
 * What makes two plans of a batch give the same numbers, to the last bit: sums that are exact (`passes/exact_sums.ts`), and kernels that are
 * given the same.
 *
 * A rank computes whole logical microbatches, one at a time, or shares each with as many ranks under the one plan as under the other. So
 * free are the data-parallel size as far as it deals out microbatches, the stages of a pipeline and its schedule, ZeRO's stage and the ranks
 * that it shards over, when gradients are reduced, buckets, and what is made again. Fixed is by what a microbatch is shared.
 */
import { axesSize, axisSize, meshRanks, type AxisName, type Mesh } from '../ir/mesh.js';
import type { FactorName } from '../ir/type.js';
import { counted } from '../ir/units.js';
import { planContradiction } from './diagnostics.js';
import { gradientDtypeOf } from './gradient_dtype.js';
import { meshesOf, pipelineOf, type Plan } from './plan.js';
import { axesOn } from './splits.js';

type Shared = Pick<Plan, 'groups' | 'split' | 'batch' | 'bounds' | 'context_method' | 'context_order'>;

/**
 * How a plan shares a logical microbatch, equal for plans that give the same numbers: `heads 2, mlp 2; sequence 3 by ring`, `nothing`.
 */
export function sharingOf(plan: Shared): string {
  const { batch, context_method: method, context_order: order } = plan;
  const shared = meshesOf(plan).map((mesh) => sharedOn(plan, mesh));
  const by = [method, order].flatMap((choice) => (choice === undefined ? [] : [choice]));
  return `${counted(batch.sequences, 'sequence')} split by ${shared[0]}${by.length > 0 ? ` by ${by.join(', ')}` : ''}`;
}

/**
 * By which factors, and over how many ranks each, a group shares a logical microbatch, or several together. Axes go by the first factor that
 * they split, not by name: `experts 2, sequence 2 with experts` is another sharing than `experts 2, sequence 2`.
 */
function sharedOn({ split, bounds }: Pick<Shared, 'split' | 'bounds'>, mesh: Mesh): string {
  const { free } = dealingAxes({ split });
  const first = new Map<AxisName, FactorName>();
  const texts = Object.keys(split)
    .sort()
    .flatMap((factor) => {
      const axes = axesOn(mesh, split[factor]).filter((axis) => !free.includes(axis));
      if (axes.length === 0) return [];
      const ranks = axes.map((axis) => {
        const other = first.get(axis);
        if (other === undefined) first.set(axis, factor);
        return other === undefined ? `${axisSize(mesh, axis)}` : `${axisSize(mesh, axis)} with ${other}`;
      });
      const cut = bounds[factor] ? ` at ${bounds[factor].join(' ')}` : '';
      return [`${factor} ${ranks.join(' × ')}${cut}`];
    });
  return texts.join(', ') || 'nothing';
}

/** Throws `plan/contradiction` where a plan that is to be reproducible is not. */
export function requireReproducible(
  plan: Pick<Plan, 'groups' | 'split' | 'bounds' | 'batch' | 'precision' | 'reproducible'>,
  file: string,
): void {
  if (!plan.reproducible) return;
  const { precision, split } = plan;
  const refuse = (field: string, problem: string, why: string, fix: string) => {
    throw planContradiction({ file, field, problem: `the run is to be reproducible, and ${problem}`, why, fix });
  };
  if (precision.reduce !== undefined)
    refuse(
      'precision.reduce',
      `gradients are to be reduced in ${precision.reduce}`,
      'their sums are exact in f64 alone',
      'remove reduce_dtype (precision.reduce), or reproducible',
    );
  const gradients = gradientDtypeOf(precision);
  if (gradients !== precision.master)
    refuse(
      'precision.gradients',
      `gradients are to be summed in ${gradients}`,
      'they are summed in f64 whatever is asked for: each would be rounded before, and no byte saved',
      'remove grad_dtype (precision.gradients), or reproducible',
    );
  const shares = meshesOf(plan).some((mesh) => axesOn(mesh, split.batch ?? []).length > 0);
  if (shares)
    refuse(
      'split.batch',
      'ranks share the sequences of a logical microbatch',
      'how many have a part of it decides the shapes of what each computes, and so how that rounds',
      'set batch.microbatch so that a step has a logical microbatch for each data-parallel rank, or more',
    );
  const [first, ...others] = meshesOf(plan).map((mesh) => sharedOn(plan, mesh));
  const unlike = others.findIndex((one) => one !== first);
  if (unlike >= 0)
    refuse(
      `groups.${Object.keys(plan.groups)[unlike + 1]}.mesh`,
      `its groups share a logical microbatch unlike: ${first}, and ${others[unlike]}`,
      'where the model is cut would decide how it rounds',
      'give all groups the same axes, but for those that split microbatches',
    );
  if (plan.batch.logical_microbatches > dataRanks(plan))
    refuse(
      'batch.logical_microbatches',
      'a rank computes several logical microbatches at once',
      'how many decides the shapes of what it computes, and so how that rounds',
      `set batch.logical_microbatches to ${dataRanks(plan)}: as many as ranks share`,
    );
}

/** Axes that deal out microbatches, in the plan's order, and those of them that split nothing else. */
export function dealingAxes({ split }: Pick<Plan, 'split'>): {
  readonly dealing: readonly AxisName[];
  readonly free: readonly AxisName[];
} {
  const { microbatch: dealing = [], ...others } = split;
  const taken = new Set(Object.values(others).flat());
  return { dealing, free: dealing.filter((axis) => !taken.has(axis)) };
}

/**
 * The plan of the ranks that share one logical microbatch, as if there were no others, each segment on a group of its own: a pipeline may be cut
 * between any two. Null where it is one rank. Under every plan with the same numbers it is the same.
 */
export function planOfOneMicrobatch(plan: Plan): Plan | null {
  const { dealing, free } = dealingAxes(plan);
  const [group] = Object.values(plan.groups);
  const shared = Object.entries(group.mesh).filter(([axis, size]) => size > 1 && !free.includes(axis));
  if (shared.length === 0) return null;
  const mesh = Object.fromEntries(shared);
  const { validation: _, chosen_for: __, assignments: ___, reshards: ____, ...rest } = plan;
  return {
    ...rest,
    ...pipelineOf(plan.chunks.flatMap(({ segments }) => segments.map((segment) => ({ segments: [segment], mesh })))),
    schedule: { kind: 'gpipe', microbatches: 1, table: null },
    batch: {
      ...plan.batch,
      logical_microbatches: dealing.reduce((ranks, axis) => ranks * (mesh[axis] ?? 1), 1),
      padding: 0,
    },
    zero: { stage: 0, axes: [] },
  };
}

/** How many ranks share a logical microbatch. */
export function ranksOfOneMicrobatch(plan: Plan): number {
  const one = planOfOneMicrobatch(plan);
  return one ? meshRanks(meshesOf(one)[0]) / one.batch.logical_microbatches : 1;
}

/** Of the group that has the fewest. */
const dataRanks = ({ groups, split: { microbatch = [] } }: Pick<Plan, 'groups' | 'split'>): number =>
  Math.min(...meshesOf({ groups }).map((mesh) => axesSize(mesh, axesOn(mesh, microbatch))));
