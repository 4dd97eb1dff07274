/** Loops over strided row-major arrays: what reference kernels are made of. */
import type { Sizes } from '../ir/op.js';
import type { FactorName } from '../ir/type.js';

/** One loop of a nest: how many steps, and how far each array moves a step (0: it lacks the factor). */
export interface Loop {
  readonly size: number;
  readonly strides: readonly number[];
}

export const elements = (names: readonly FactorName[], sizes: Sizes): number =>
  names.reduce((n, name) => n * sizes[name], 1);

/** How far apart neighbours along a factor lie in a row-major array; 0 where it lacks the factor. */
export function strideOf(names: readonly FactorName[], sizes: Sizes, factor: FactorName): number {
  const at = names.indexOf(factor);
  if (at < 0) return 0;
  let stride = 1;
  for (let i = at + 1; i < names.length; i++) stride *= sizes[names[i]];
  return stride;
}

/** Loops over `factors`, outermost first, for arrays with the given factors. Neighbours that are one stretch in every array are joined. */
export function loopsOver(
  factors: readonly FactorName[],
  sizes: Sizes,
  arrays: readonly (readonly FactorName[])[],
): readonly Loop[] {
  const loops: Loop[] = [];
  for (const factor of factors) {
    const size = sizes[factor];
    if (size === 1) continue;
    const strides = arrays.map((names) => strideOf(names, sizes, factor));
    const outer = loops.at(-1);
    if (outer?.strides.every((stride, i) => stride === strides[i] * size)) {
      loops[loops.length - 1] = { size: outer.size * size, strides };
    } else {
      loops.push({ size, strides });
    }
  }
  return loops;
}

/** Calls `visit` with the offset of every array at each step of the nest, in row-major order. The array passed is reused. */
export function nest(loops: readonly Loop[], arrays: number, visit: (offsets: readonly number[]) => void): void {
  if (loops.some((loop) => loop.size === 0)) return;
  const offsets = new Array<number>(arrays).fill(0);
  const index = loops.map(() => 0);
  for (;;) {
    visit(offsets);
    let level = loops.length - 1;
    for (; level >= 0; level--) {
      const { size, strides } = loops[level];
      for (let i = 0; i < arrays; i++) offsets[i] += strides[i];
      if (++index[level] < size) break;
      for (let i = 0; i < arrays; i++) offsets[i] -= strides[i] * size;
      index[level] = 0;
    }
    if (level < 0) return;
  }
}

/** The nest without its innermost loop, and that loop: kernels write the last one out by hand. */
export function splitInnermost(loops: readonly Loop[], arrays: number): { outer: readonly Loop[]; inner: Loop } {
  const inner = loops.at(-1) ?? { size: 1, strides: new Array<number>(arrays).fill(0) };
  return { outer: loops.slice(0, -1), inner };
}
