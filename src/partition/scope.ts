/**
 * How long what can be made again is kept. It is made once a scope, before its first reader, and dies after its last.
 *
 *   segment and direction ⊂ slot ⊂ backward ⊂ microbatch ⊂ step
 *
 * Each link of a chain has a scope of its own: a shard is cast for the step, and gathered for one segment in one direction.
 */
import type { Source } from '../ir/graph.js';

/**
 * The shorter first: one segment in one direction; a slot of the schedule; a microbatch's backward and weight slots on a chunk; from a
 * microbatch's forward to its last slot; all microbatches of a step.
 */
export const scopes = ['segment and direction', 'slot', 'backward', 'microbatch', 'step'] as const;
export type Scope = (typeof scopes)[number];

/** The shortest of some scopes, or `longest`. */
export const shortest = (longest: Scope, of: readonly Scope[]): Scope =>
  of.reduce((a, b) => (scopes.indexOf(b) < scopes.indexOf(a) ? b : a), longest);

/** Whether two places of a microbatch lie in one instance of a scope. `chunkOf`: the chunk of a segment. */
export function inOneScope(scope: Scope, a: Source, b: Source, chunkOf: (segment: string) => number): boolean {
  switch (scope) {
    case 'segment and direction':
      return a.segment === b.segment && a.phase === b.phase;
    case 'slot':
      return a.phase === b.phase && chunkOf(a.segment) === chunkOf(b.segment);
    case 'backward':
      return isBackward(a) && isBackward(b) && chunkOf(a.segment) === chunkOf(b.segment);
    default:
      return true;
  }
}

const isBackward = ({ phase }: Source): boolean => phase === 'backward' || phase === 'weight';
