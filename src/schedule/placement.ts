/** Which group runs which chunk of the model. */

/**
 * straight: chunk c on group c. round-robin: c mod p, so that each chunk's successor is on the next group. v: there and back, so that
 * one group has the first chunk and the last.
 */
export type Placement = 'straight' | 'round-robin' | 'v';

/** The group of a chunk. `chunk` counts from 0 to `groups` × chunks per group − 1. */
export function groupOfChunk(placement: Placement, groups: number, chunk: number): number {
  const [leg, step] = [Math.floor(chunk / groups), chunk % groups];
  return placement === 'v' && leg % 2 === 1 ? groups - 1 - step : step;
}
