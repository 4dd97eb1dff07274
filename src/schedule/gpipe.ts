import type { ScheduleKind } from './kind.js';
import { backward, forward } from './slot.js';

/**
 * GPipe: all forwards, then all backwards.
 *
 *   group 0: F0 F1 F2 B0 B1 B2      group 1: F0 F1 F2 B0 B1 B2
 *
 * Bubble (p − 1)(F + B + W); every microbatch's activations are alive at once: m. Any m.
 *
 * Source: Huang et al. 2019 (arXiv:1811.06965) §2.3.
 */
export const gpipe: ScheduleKind = {
  name: 'gpipe',
  pytorch: 'GPipe',
  about: 'All forwards, then all backwards.',
  use: 'To compare with, or where the weights are gathered anew for each direction and activations are small.',
  source: 'Huang et al. 2019, [arXiv:1811.06965](https://arxiv.org/abs/1811.06965), section 2.3',
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
    text: 'm',
    holds: 'any m',
    holdsFor: () => true,
    value: ({ microbatches: m }) => m,
  },
  generate: ({ groups, microbatches }) =>
    Array.from({ length: groups }, (_, group) => [
      ...Array.from({ length: microbatches }, (_, m) => forward(group, m)),
      ...Array.from({ length: microbatches }, (_, m) => backward(group, m)),
    ]),
};
