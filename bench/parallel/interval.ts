/** How sure a median is. */
import { median } from '../rows.js';

export interface MedianInterval {
  readonly median: number;
  /** The median of what the values were drawn from lies between these with at least 95%, or as near to it as so few values come. */
  readonly low: number;
  readonly high: number;
}

/** From order statistics alone (the sign test): nothing is asked of how values scatter. */
export function medianInterval(values: readonly number[]): MedianInterval {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  // How many can be left out at each end: that at most so many of n fair coins show heads has a chance of at most 1/40.
  let [cut, term, chance] = [0, 2 ** -n, 2 ** -n];
  for (let heads = 1; heads < n / 2; heads++) {
    term *= (n - heads + 1) / heads;
    chance += term;
    if (chance > 1 / 40) break;
    cut = heads;
  }
  return { median: median(sorted), low: sorted[cut], high: sorted[n - 1 - cut] };
}
