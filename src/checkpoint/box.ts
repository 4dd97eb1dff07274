/**
 * Reading one rank's part of a tensor without reading the rest.
 *
 * A part is a box in a view of the tensor: `qkv.weight` of shape [dim, 3·heads·head_dim], split over heads, is the box
 * [0,dim) × [0,3) × [heads of this rank] × [0,head_dim) of the view [dim, 3, heads, head_dim].
 */
import type { SafetensorsFile } from './safetensors.js';
import { elements, storedDTypeBytes } from './tensor.js';

export interface Box {
  /** A row-major view of the tensor with as many elements. */
  readonly view: readonly number[];
  /** First index in each dimension of the view. */
  readonly begin: readonly number[];
  /** Index after the last. */
  readonly end: readonly number[];
}

/** The tile's bytes, packed in row-major order. Runs that lie close together are read as one. */
export async function readBox(file: SafetensorsFile, name: string, tile: Box): Promise<Uint8Array> {
  const { dtype, shape } = file.tensor(name);
  checkTile(name, shape, tile);
  const { runElements, starts } = contiguousRuns(tile);
  const runBytes = runElements * storedDTypeBytes[dtype];
  const packed = new Uint8Array(runBytes * starts.length);
  if (packed.length === 0) return packed;

  const at = (run: number) => starts[run] * storedDTypeBytes[dtype];
  for (let first = 0; first < starts.length;) {
    let next = first + 1;
    while (
      next < starts.length &&
      at(next) - (at(next - 1) + runBytes) <= maxGapBytes &&
      at(next) + runBytes - at(first) <= maxReadBytes
    ) {
      next++;
    }
    const span = await file.read(name, at(first), at(next - 1) + runBytes);
    for (let run = first; run < next; run++) {
      const offset = at(run) - at(first);
      packed.set(span.subarray(offset, offset + runBytes), run * runBytes);
    }
    first = next;
  }
  return packed;
}

// A disk reads this much in about the time of one more request; larger gaps are skipped.
const maxGapBytes = 64 << 10;
const maxReadBytes = 8 << 20;

/** The longest runs of elements that are contiguous in the file, by the index of their first element. */
export function contiguousRuns({ view, begin, end }: Box): { runElements: number; starts: readonly number[] } {
  // From the innermost dimension outwards, whole dimensions and then one partial one make a run.
  let inner = view.length;
  while (inner > 0 && begin[inner - 1] === 0 && end[inner - 1] === view[inner - 1]) inner--;
  const partial = Math.max(inner - 1, 0);
  const runElements = view
    .slice(partial)
    .reduce((product, _, k) => product * (end[partial + k] - begin[partial + k]), 1);
  if (runElements === 0) return { runElements: 0, starts: [] };

  const stride = (dimension: number) => elements(view.slice(dimension + 1));
  let starts = [view.length === 0 ? 0 : begin[partial] * stride(partial)];
  for (let dimension = partial - 1; dimension >= 0; dimension--) {
    const indices = Array.from({ length: end[dimension] - begin[dimension] }, (_, k) => begin[dimension] + k);
    starts = indices.flatMap((index) => starts.map((start) => index * stride(dimension) + start));
  }
  return { runElements, starts };
}

function checkTile(name: string, shape: readonly number[], { view, begin, end }: Box): void {
  const inside = view.every((size, k) => 0 <= begin[k] && begin[k] <= end[k] && end[k] <= size);
  if (elements(view) === elements(shape) && begin.length === view.length && end.length === view.length && inside)
    return;
  throw new RangeError(`[${begin}) to [${end}) of a view [${view}] is no part of tensor '${name}' of shape [${shape}]`);
}
