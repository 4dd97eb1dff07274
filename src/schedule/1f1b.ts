import type { ScheduleKind } from './kind.js';
import { backward, forward, type Slot } from './slot.js';

/**
 * 1F1B, PipeDream-Flush: after as many forwards as there are groups behind it, each group alternates one forward and one backward.
 *
 *   group 0: F0 F1 B0 F2 B1 B2      group 1: F0 B0 F1 B1 F2 B2
 *
 * Bubble (p − 1)(F + B + W), as GPipe's; group r keeps the activations of min(p − r, m) microbatches. Any m.
 *
 * Source: Narayanan et al. 2021 (arXiv:2104.04473) §2.2.1.
 */
export const oneForwardOneBackward: ScheduleKind = {
  name: '1f1b',
  pytorch: '1F1B',
  about: 'One forward, one backward in turn, so that no more than p microbatches are in flight.',
  use: 'By default: it has the fewest messages, any number of microbatches, activations of p microbatches.',
  source: 'Narayanan et al. 2021, [arXiv:2104.04473](https://arxiv.org/abs/2104.04473), section 2.2.1',
  placement: 'straight',
  virtualStages: { exactly: 1 },
  leastMicrobatches: () => 1,
  legalMicrobatches: 'any',
  splitsBackward: false,
  bubble: {
    of: 'step',
    text: '(p − 1)(F + B + W)',
    holds: 'any m',
    holdsFor: () => true,
    value: ({ groups: p }, { forward: F, backward: B, weight: W }) => (p - 1) * (F + B + W),
  },
  peak: {
    to: 'backward',
    text: 'min(p, m)',
    holds: 'any m',
    holdsFor: () => true,
    value: ({ groups: p, microbatches: m }) => Math.min(p, m),
  },
  generate: ({ groups, microbatches }) => Array.from({ length: groups }, (_, r) => order(r, groups, microbatches)),
};

function order(group: number, groups: number, microbatches: number): Slot[] {
  const ahead = Math.min(groups - group, microbatches);
  const slots = Array.from({ length: ahead }, (_, m) => forward(group, m));
  for (let m = 0; m < microbatches; m++) {
    slots.push(backward(group, m));
    if (m + ahead < microbatches) slots.push(forward(group, m + ahead));
  }
  return slots;
}
