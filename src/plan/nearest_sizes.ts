/** The sizes nearest to those that a user asked for and cannot have. */

/** What ranks divide among them of one share of the batch; the data-parallel size is how many such shares there are. */
export const sharedSizes = ['tensor', 'context', 'pipeline'] as const;
export type SharedSizes = Readonly<Record<(typeof sharedSizes)[number], number>>;

export interface Sizes extends SharedSizes {
  /** Null: as many as the ranks allow. */
  readonly data: number | null;
}

/** Sizes as they are where nothing is said. */
export const sharedSizesOf = ({
  tensor_parallel_size: tensor = 1,
  context_parallel_size: context = 1,
  pipeline_parallel_size: pipeline = 1,
}: Partial<Record<`${keyof SharedSizes}_parallel_size`, number>>): SharedSizes => ({ tensor, context, pipeline });

/** Ranks that work on one share of the batch. */
export const ranksTogether = (sizes: SharedSizes): number =>
  sharedSizes.reduce((ranks, name) => ranks * sizes[name], 1);

/**
 * The legal sizes nearest to those that are asked for: the largest that are no larger, on as many ranks as there are; where these are ours to
 * choose and have no part in it, on others.
 */
export function nearestSizes(
  asked: SharedSizes,
  most: SharedSizes,
  { ranks, ranksAreGiven }: { readonly ranks: number; readonly ranksAreGiven: boolean },
): Sizes {
  const parts = { ...asked };
  for (const name of sharedSizes) parts[name] = Math.min(asked[name], most[name]);
  const together = ranksTogether(parts);
  if (ranks % together === 0) return { data: ranks / together, ...parts };
  if (!ranksAreGiven) return { data: null, ...parts };
  let data = ranks;
  for (const name of sharedSizes.toReversed()) {
    parts[name] = largestDivisor(data, parts[name]);
    data /= parts[name];
  }
  return { data, ...parts };
}

/** Those of the sizes that differ from what was asked for, and how many replicas there then are. */
export const nearestText = (asked: Sizes, { data, ...parts }: Sizes): string =>
  [
    ...sharedSizes.flatMap((name) => (parts[name] === asked[name] ? [] : [`${name}_parallel_size ${parts[name]}`])),
    ...(data === null ? [] : [`data_parallel_size ${data}`]),
  ].join(', ');

function largestDivisor(of: number, atMost: number): number {
  for (let n = Math.min(of, atMost); n > 1; n--) if (of % n === 0) return n;
  return 1;
}
