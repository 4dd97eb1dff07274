/** The sizes nearest to those that a user asked for and cannot have. */

export interface Sizes {
  /** Null: as many as the ranks allow. */
  readonly data: number | null;
  readonly tensor: number;
  readonly pipeline: number;
}

/**
 * The legal sizes nearest to those that are asked for: the largest that are no larger, on as many ranks as there are; where these are ours to
 * choose and have no part in it, on others.
 */
export function nearestSizes(
  { tensor, pipeline }: Sizes,
  most: { readonly tensor: { readonly size: number }; readonly pipeline: number },
  { ranks, ranksAreGiven }: { readonly ranks: number; readonly ranksAreGiven: boolean },
): Sizes {
  const [parts, stages] = [Math.min(tensor, most.tensor.size), Math.min(pipeline, most.pipeline)];
  if (ranks % (parts * stages) === 0) return { data: ranks / (parts * stages), tensor: parts, pipeline: stages };
  if (!ranksAreGiven) return { data: null, tensor: parts, pipeline: stages };
  const cut = largestDivisor(ranks, stages);
  const split = largestDivisor(ranks / cut, parts);
  return { data: ranks / cut / split, tensor: split, pipeline: cut };
}

/** Those of the sizes that differ from what was asked for, and how many replicas there then are. */
export const nearestText = (asked: Sizes, { data, tensor, pipeline }: Sizes): string =>
  [
    ...(tensor === asked.tensor ? [] : [`tensor_parallel_size ${tensor}`]),
    ...(pipeline === asked.pipeline ? [] : [`pipeline_parallel_size ${pipeline}`]),
    ...(data === null ? [] : [`data_parallel_size ${data}`]),
  ].join(', ');

function largestDivisor(of: number, atMost: number): number {
  for (let n = Math.min(of, atMost); n > 1; n--) if (of % n === 0) return n;
  return 1;
}
