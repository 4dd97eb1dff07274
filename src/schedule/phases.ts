import { backward, forward, weight, type Entry, type Slot } from './slot.js';

/**
 * How often, and what: words of a direction and a leg. `F0` is the next forward of the group's first chunk, `B1` the next backward of its
 * second, `W1` that chunk's next weight slot, `W` the weight slot of the earliest backward that has none yet; `F0+B1` runs the two woven.
 */
export type Phase = readonly [times: number, words: string];

/** A group's order of work, written in phases. `legs`: the group's chunks. Each direction of a chunk takes its microbatches in order. */
export function inPhases(legs: readonly number[], phases: readonly Phase[]): Entry[] {
  const forwards = legs.map(() => 0);
  const backwards = legs.map(() => 0);
  const unweighted: (readonly [leg: number, microbatch: number])[] = [];
  const slotOf = (word: string): Slot => {
    const leg = Number(word[1]);
    if (word[0] === 'F') return forward(legs[leg], forwards[leg]++);
    if (word[0] === 'B') {
      unweighted.push([leg, backwards[leg]]);
      return backward(legs[leg], backwards[leg]++);
    }
    const next = word === 'W' ? 0 : unweighted.findIndex(([one]) => one === leg);
    const [[of, microbatch]] = unweighted.splice(next, 1);
    return weight(legs[of], microbatch);
  };
  return phases.flatMap(([times, words]) =>
    Array.from({ length: times }, () =>
      words.split(' ').map((word): Entry => {
        const [first, second] = word.split('+').map(slotOf);
        return second ? { woven: [first, second] } : first;
      }),
    ).flat(),
  );
}
