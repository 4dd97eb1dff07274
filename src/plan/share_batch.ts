/** How data ranks share the batch of a step, and what makes it enough scheduled microbatches for a pipeline. */
import { divisorsOf } from '../options/divisors.js';
import { scheduleKinds } from '../schedule/kinds.js';
import type { ScheduleKind } from '../schedule/kind.js';

export interface PlannedBatch {
  /** Sequences in a step. */
  readonly sequences: number;
  /** Sequences in a logical microbatch. */
  readonly microbatch: number;
}

/**
 * How the data ranks share a batch. Each scheduled microbatch holds one logical one for every rank, so that a rank gets the floor or the
 * ceiling of their number; the last is filled up with padding. Where there are fewer than ranks, and a rank's part of every one is less
 * than one whole, each logical microbatch is split over the ranks instead.
 */
export function shareBatch(
  { sequences, microbatch }: PlannedBatch,
  data: number,
  pipeline: number,
): { readonly split: 'microbatch' | 'batch'; readonly scheduled: number; readonly together: number } {
  const logical = sequences / microbatch;
  if (logical * Math.ceil(microbatch / data) < microbatch) {
    // Stages work on one while the next ones are under way; one stage alone has fewer kernels to launch for all of them at once.
    const together = pipeline > 1 ? 1 : logical;
    return { split: 'batch', scheduled: logical / together, together };
  }
  return { split: 'microbatch', scheduled: Math.ceil(logical / data), together: data };
}

/** In the fields of a configuration: what makes a step `least` scheduled microbatches, or asks for fewer. */
export function moreMicrobatches(
  batch: PlannedBatch,
  {
    data,
    pipeline,
    virtualStages,
  }: { readonly data: number; readonly pipeline: number; readonly virtualStages: number },
  least: number,
): string {
  const { sequences, microbatch } = batch;
  const scheduledOf = (size: number) => shareBatch({ sequences, microbatch: size }, data, pipeline).scheduled;
  const smaller = divisorsOf(sequences).findLast((size) => size < microbatch && scheduledOf(size) >= least);
  const others = [...scheduleKinds.values()].filter(
    (kind) => takes(kind, virtualStages) && kind.leastMicrobatches(pipeline) <= scheduledOf(microbatch),
  );
  const ways = [
    `set batch.sequences to ${least * data * microbatch} or more`,
    ...(smaller === undefined ? [] : [`batch.microbatch to ${smaller}`]),
    ...(others.length === 0 ? [] : [`pipeline_schedule to ${others.map(({ name }) => name).join(' or ')}`]),
  ];
  return `${ways.join(', or ')}; or have fewer groups (pipeline_parallel_size)`;
}

const takes = ({ virtualStages }: ScheduleKind, chunks: number): boolean =>
  'exactly' in virtualStages ? chunks === virtualStages.exactly : chunks >= virtualStages.least;
