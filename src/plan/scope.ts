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

/** Which instance of a scope a place of a microbatch lies in: equal texts, one instance. `chunkOf`: the chunk of a segment. */
export function instanceOf(
  scope: Scope,
  { segment, phase }: Pick<Source, 'segment' | 'phase'>,
  chunkOf: (segment: string) => number,
): string {
  switch (scope) {
    case 'segment and direction':
      return `${segment}/${phase}`;
    case 'slot':
      return `chunk ${chunkOf(segment)}/${phase}`;
    case 'backward':
      return `chunk ${chunkOf(segment)}/${phase === 'weight' ? 'backward' : phase}`;
    default:
      return '';
  }
}
