import type { ScheduleKind } from './kind.js';
import { backward, forward, type Slot } from './slot.js';

/**
 * Interleaved 1F1B: each group has v chunks, p chunks apart, and works through microbatches in rounds: a round's microbatches through
 * its first chunk, then through its second, and so on; backwards likewise, from the last chunk.
 *
 *   p = 2, v = 2, m = 2      group 0: 0F0 0F1 2F0 2F1 2B0 2B1 0B0 0B1      group 1: 1F0 1F1 3F0 3B0 3F1 3B1 1B0 1B1
 *
 * Bubble (p − 1)(F + B + W) in seconds of a chunk, a v-th of 1F1B's. Activations on group 0: (v − 1)p + 2(p − 1) + 1 = vp + p − 1 chunks,
 * that is 1 + (p − 1)/(pv) times 1F1B's. Messages: v times 1F1B's.
 *
 * Megatron-LM demands that m is a multiple of p (or that the rest is at least p, where its group size is set by hand), since a shorter
 * round leaves further bubbles. Here any m: ⌊m / p⌋ rounds of equal length, longer ones first where they cannot be, so that none is shorter
 * than p. The bubble is then the same for all m ≥ p; activations grow with the first round's length L = ⌈m / ⌊m / p⌋⌉ < 2p.
 *
 * Source: Narayanan et al. 2021 (arXiv:2104.04473) §2.2.2; activations: Korthikanti et al. 2022 (arXiv:2205.05198) §4.2.3.
 */
export const interleaved: ScheduleKind = {
  name: 'interleaved',
  pytorch: 'Interleaved1F1B',
  about: '1F1B with v chunks on each group, p chunks apart, which divides the bubble by v.',
  use: 'Where the bubble of 1f1b hurts, messages between groups are cheap, and there are layers enough for v chunks a group.',
  source:
    'Narayanan et al. 2021, [arXiv:2104.04473](https://arxiv.org/abs/2104.04473), section 2.2.2; activations: Korthikanti et al. 2022, ' +
    '[arXiv:2205.05198](https://arxiv.org/abs/2205.05198)',
  placement: 'round-robin',
  virtualStages: { least: 2 },
  leastMicrobatches: () => 1,
  legalMicrobatches: 'any; Megatron-LM takes multiples of p alone',
  splitsBackward: false,
  bubble: {
    of: 'step',
    text: '(p − 1)(F + B + W)',
    holds: 'm ≥ p',
    holdsFor: ({ groups, microbatches }) => microbatches >= groups,
    value: ({ groups: p }, { forward: F, backward: B, weight: W }) => (p - 1) * (F + B + W),
  },
  peak: {
    to: 'backward',
    text: 'min((v − 1)L + 2p − 1, vm), with L = p where p divides m, else ⌈m / ⌊m / p⌋⌉',
    holds: 'any m',
    holdsFor: () => true,
    value: ({ groups: p, virtualStages: v, microbatches: m }) =>
      Math.min((v - 1) * roundsOf(p, m)[0].length + 2 * p - 1, v * m),
  },
  generate({ groups, virtualStages, microbatches }) {
    const rounds = roundsOf(groups, microbatches);
    return Array.from({ length: groups }, (_, group) => {
      const chunks = Array.from({ length: virtualStages }, (_, leg) => leg * groups + group);
      const through = (legs: readonly number[], slot: (chunk: number, microbatch: number) => Slot) =>
        rounds.flatMap((round) => legs.flatMap((chunk) => round.map((m) => slot(chunk, m))));
      const forwards = through(chunks, forward);
      const backwards = through(chunks.toReversed(), backward);
      // So many forwards until the last chunk's first backward has come up to this group, and one more, with which it alternates.
      const ahead = Math.min((virtualStages - 1) * rounds[0].length + 2 * (groups - 1 - group) + 1, forwards.length);
      return [
        ...forwards.slice(0, ahead),
        ...backwards.flatMap((slot, k) => [slot, ...forwards.slice(ahead + k, ahead + k + 1)]),
      ];
    });
  },
};

/** The microbatches of each round: ⌊m / p⌋ rounds of at least p, as equal as can be; one round where m < p. */
function roundsOf(groups: number, microbatches: number): readonly (readonly number[])[] {
  const rounds = Math.max(1, Math.floor(microbatches / groups));
  const [least, longer] = [Math.floor(microbatches / rounds), microbatches % rounds];
  return Array.from({ length: rounds }, (_, i) => {
    const first = i * least + Math.min(i, longer);
    return Array.from({ length: least + (i < longer ? 1 : 0) }, (_, k) => first + k);
  });
}
