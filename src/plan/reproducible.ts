/**
 * What makes two plans of a batch give the same numbers, to the last bit: sums that are exact (`passes/exact_sums.ts`), and kernels that are
 * given the same.
 *
 * A rank computes whole logical microbatches, one at a time, or shares each with as many ranks under the one plan as under the other. So
 * free are the data-parallel size as far as it deals out microbatches, the stages of a pipeline and its schedule, ZeRO's stage and the ranks
 * that it shards over, when gradients are reduced, buckets, and what is made again. Fixed is by what a microbatch is shared.
 */
import { axesSize, axisSize } from '../ir/mesh.js';
import { counted } from '../ir/units.js';
import { planContradiction } from './diagnostics.js';
import { meshesOf, type Plan } from './plan.js';
import { axesOn } from './splits.js';

type Shared = Pick<Plan, 'groups' | 'split' | 'batch' | 'bounds' | 'context_method' | 'context_order'>;

/**
 * How a plan shares a logical microbatch, equal for plans that give the same numbers: `heads 2, mlp 2; sequence 3 by ring`, `nothing`.
 */
export function sharingOf(plan: Shared): string {
  const { split, bounds, batch, context_method: method, context_order: order } = plan;
  const factors = Object.keys(split).filter((factor) => factor !== 'microbatch');
  const shared = meshesOf(plan).map((mesh) =>
    factors.flatMap((factor) => {
      const axes = axesOn(mesh, split[factor]);
      if (axes.length === 0) return [];
      const sizes = axes.map((axis) => axisSize(mesh, axis));
      return [`${factor} ${sizes.join('×')}${bounds[factor] ? ` at ${bounds[factor].join(' ')}` : ''}`];
    }),
  );
  const texts = [...new Set(shared.map((list) => list.join(', ')))];
  const by = [method, order].flatMap((choice) => (choice === undefined ? [] : [choice]));
  const what = texts.map((text) => text || 'nothing').join(' | ') + (by.length > 0 ? ` by ${by.join(', ')}` : '');
  return `${counted(batch.sequences, 'sequence')} split by ${what}`;
}

/** Throws `plan/contradiction` where a plan that is to be reproducible is not. */
export function requireReproducible(
  plan: Pick<Plan, 'groups' | 'split' | 'batch' | 'precision' | 'reproducible'>,
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
  const shares = meshesOf(plan).some((mesh) => axesOn(mesh, split.batch ?? []).length > 0);
  if (shares)
    refuse(
      'split.batch',
      'ranks share the sequences of a logical microbatch',
      'how many have a part of it decides the shapes of what each computes, and so how that rounds',
      'set batch.microbatch so that a step has a logical microbatch for each data-parallel rank, or more',
    );
  if (plan.batch.logical_microbatches > dataRanks(plan))
    refuse(
      'batch.logical_microbatches',
      'a rank computes several logical microbatches at once',
      'how many decides the shapes of what it computes, and so how that rounds',
      `set batch.logical_microbatches to ${dataRanks(plan)}: as many as ranks share`,
    );
}

/** Of the group that has the fewest. */
const dataRanks = ({ groups, split: { microbatch = [] } }: Pick<Plan, 'groups' | 'split'>): number =>
  Math.min(...meshesOf({ groups }).map((mesh) => axesSize(mesh, axesOn(mesh, microbatch))));
