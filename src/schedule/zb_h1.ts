import type { ScheduleKind } from './kind.js';
import { backward, forward, weight, type Slot } from './slot.js';

/**
 * ZB-H1: 1F1B with the backward split. A group hands the gradients of activations on at once, and group r does the gradients of weights r
 * microbatches late, so that all groups have p microbatches in flight and the late ones fill the end.
 *
 *   p = 2, m = 3      group 0: F0 F1 B0 W0 F2 B1 W1 B2 W2      group 1: F0 B0 F1 B1 W0 F2 B2 W1 W2
 *
 * Bubble (p − 1)(F + B − W): a third of 1F1B's where F = B = W; more where m < p or a weight slot takes longer than a
 * forward or a backward. Activations: group r keeps p − r that wait for their backward and r that
 * wait for their weight slot. Any m.
 *
 * Source: Qi et al. 2023 (arXiv:2401.10241) §2.1, figure 3, table 2.
 */
export const zbH1: ScheduleKind = {
  name: 'zb-h1',
  pytorch: 'InterleavedZeroBubble',
  about: '1F1B with the backward split in two: gradients of weights fill the end of the step.',
  use: 'In place of 1f1b at the same peak of activations, where a chunk splits well in gradients of activations and of weights.',
  source: 'Qi et al. 2023, [arXiv:2401.10241](https://arxiv.org/abs/2401.10241), section 2.1 and table 2',
  placement: 'straight',
  virtualStages: { exactly: 1 },
  leastMicrobatches: () => 1,
  legalMicrobatches: 'any',
  splitsBackward: true,
  bubble: {
    of: 'step',
    text: '(p − 1)(F + B − W)',
    holds: 'm ≥ p, W ≤ F and W ≤ B',
    holdsFor: ({ groups: p, microbatches: m }, { forward: F, backward: B, weight: W }) => m >= p && W <= F && W <= B,
    value: ({ groups: p }, { forward: F, backward: B, weight: W }) => (p - 1) * (F + B - W),
  },
  peak: {
    to: 'weight',
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
    if (m >= group) slots.push(weight(group, m - group));
    if (m + ahead < microbatches) slots.push(forward(group, m + ahead));
  }
  const late = Math.min(group, microbatches);
  return [...slots, ...Array.from({ length: late }, (_, i) => weight(group, microbatches - late + i))];
}
