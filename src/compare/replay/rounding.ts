/**
 * What rounding may do to a value. Beside the exact one go others, in which every number was changed at random as rounding to its element type
 * may change it, in each value that they follow from: how far those are from the exact one bounds what rounding does, by the op that
 * makes the value and by all before it.
 *
 * Source: Parker 1997, "Monte Carlo Arithmetic" (UCLA CSD-970002); Vignes 1993, on stochastic arithmetic.
 */
import { isFloat, type DType } from '../../ir/dtype.js';

/** A value as it is, and as rounding may leave it: some times, since by chance once may change a single number too little. */
export type Variants = readonly [exact: Float64Array, ...rounded: Float64Array[]];

/** How much rounding changes a number of a type at the most, relative to it: half the distance of two. None for integers. */
const roundoff: Partial<Record<DType, number>> = { f64: 2 ** -53, f32: 2 ** -24, f16: 2 ** -11, bf16: 2 ** -8 };

/** Rounding in a few places at once: kernels add up in parts, and take functions from tables. */
const strength = 2;

/** Numbers changed at random, the same in every comparison. `times`: how many rounded variants there are. */
export class Rounding {
  readonly times: number;
  #state = 1;

  constructor(times: number) {
    this.times = times;
  }

  /** The exact variant, numbered 0, and the others. */
  each<T>(variant: (k: number) => T): readonly [T, ...T[]] {
    return [variant(0), ...Array.from({ length: this.times }, (_, k) => variant(k + 1))];
  }

  /** Of what nothing rounds: data, scalars. */
  none(exact: Float64Array): Variants {
    return this.each(() => exact);
  }

  of(exact: Float64Array, dtype: DType): Variants {
    return this.each((k) => (k === 0 ? exact : this.on(exact, dtype)));
  }

  on(values: Float64Array, dtype: DType): Float64Array {
    const size = roundoff[dtype];
    if (size === undefined) return values;
    return values.map((x) => x * (1 + strength * size * this.#next()));
  }

  /** In [−1, 1): the upper bits of Lehmer's generator (Park and Miller 1988). */
  #next(): number {
    this.#state = (this.#state * 48271) % 2147483647;
    return this.#state / 1073741823.5 - 1;
  }
}

/**
 * How far rounding takes a value of a type: the largest distance of a rounded number from the exact one, and no less than the rounding of the
 * largest number itself.
 */
export function roundingOf(dtype: DType, [exact, ...rounded]: Variants): number {
  if (!isFloat(dtype)) return 0;
  let [largest, most] = [0, 0];
  for (let i = 0; i < exact.length; i++) {
    for (const one of rounded) {
      const distance = Math.abs(one[i] - exact[i]);
      if (Number.isFinite(distance)) largest = Math.max(largest, distance);
    }
    if (Number.isFinite(exact[i])) most = Math.max(most, Math.abs(exact[i]));
  }
  return Math.max(largest, most * roundoff[dtype]!, Number.MIN_VALUE);
}
