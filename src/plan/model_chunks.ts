/** A model's segments in the chunks of a pipeline. */
import { stageLayersDiffer } from './size_diagnostics.js';

/**
 * The segments in runs: layers as even as can be or as given, the embedding with the first, the head with the last. Where there are more runs
 * than layers, embedding and head are runs of their own.
 */
export function chunksOf(
  segments: readonly string[],
  chunks: number,
  given: readonly number[] | undefined,
): readonly (readonly string[])[] {
  const layers = segments.length < 3 ? segments : segments.slice(1, -1);
  const [first, last] = segments.length < 3 ? [[], []] : [segments.slice(0, 1), segments.slice(-1)];
  if (!given && chunks > layers.length) return cutEvenly(segments, chunks);
  let from = 0;
  const runs = given ? given.map((count) => layers.slice(from, (from += count))) : cutEvenly(layers, chunks);
  const whole = runs.map((run, i) => [...(i === 0 ? first : []), ...run, ...(i === chunks - 1 ? last : [])]);
  if (!given) return whole;
  const empty = whole.findIndex((run) => run.length === 0);
  if (given.length !== chunks || from !== layers.length || empty >= 0) {
    throw stageLayersDiffer({ given, chunks, layers: layers.length, empty });
  }
  return whole;
}

/** Segments in order, in runs as equal as can be. */
function cutEvenly(segments: readonly string[], runs: number): readonly (readonly string[])[] {
  return Array.from({ length: runs }, (_, i) =>
    segments.slice(Math.floor((i * segments.length) / runs), Math.floor(((i + 1) * segments.length) / runs)),
  );
}
