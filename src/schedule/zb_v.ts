import type { ScheduleKind } from './kind.js';
import { inPhases } from './phases.js';
import { slotsOf, type Entry } from './slot.js';

/**
 * ZB-V: two chunks a group, there and back, so that the first group has the last chunk too and its backward begins at once; the backward
 * split. Where F = B = W no group waits between its first slot and its last: bubble 0. Groups begin one F after each other and end so:
 * over the whole step each group still does nothing for (p − 1)F, unless the next step's forwards begin where the group is free.
 *
 * Activations: 2p chunks on every group, as much as 1F1B's p of twice the size. Any m; the bubble is 0 from m = 2p − 1 on, with which the
 * table is made; with fewer microbatches it is that table without the others.
 *
 * Source: Qi et al. 2023 (arXiv:2401.10241) §6; Qi et al. 2024 (arXiv:2405.15362), where it is V-ZB.
 */
export const zbV: ScheduleKind = {
  name: 'zb-v',
  pytorch: 'ZBVZeroBubble',
  about: 'Two chunks a group, there and back, with the backward split: no bubble within a group where F = B = W.',
  use: 'With many groups, where forward, backward and weight slots take about the same time.',
  source:
    'Qi et al. 2023, [arXiv:2401.10241](https://arxiv.org/abs/2401.10241), section 6; Qi et al. 2024, ' +
    '[arXiv:2405.15362](https://arxiv.org/abs/2405.15362)',
  placement: 'v',
  virtualStages: { exactly: 2 },
  leastMicrobatches: () => 1,
  legalMicrobatches: 'any',
  splitsBackward: true,
  bubble: {
    of: 'span',
    text: '0',
    holds: 'F = B = W and m ≥ 2p − 1',
    holdsFor: ({ groups: p, microbatches: m }, { forward: F, backward: B, weight: W }) =>
      F === B && B === W && m >= 2 * p - 1,
    value: () => 0,
  },
  peak: {
    to: 'weight',
    text: 'min(2p, 2m)',
    holds: 'any m',
    holdsFor: () => true,
    value: ({ groups: p, microbatches: m }) => Math.min(2 * p, 2 * m),
  },
  generate: ({ groups, microbatches }) =>
    Array.from({ length: groups }, (_, group) =>
      order(group, groups, Math.max(microbatches, 2 * groups - 1)).filter((entry) =>
        slotsOf(entry).every(({ microbatch }) => microbatch < microbatches),
      ),
    ),
};

/** Group r of p; m ≥ 2p − 1. */
const order = (r: number, p: number, m: number): Entry[] =>
  inPhases(
    [r, 2 * p - 1 - r],
    [
      [2 * (p - r) - 1, 'F0'],
      [r, 'F1 F0'],
      [p - r, 'F1 B1 W1'],
      [m - (2 * p - 1) + r, 'F0 B0 W0 F1 B1 W1'],
      [p - r - 1, 'B0 W0 F1 B1 W1'],
      [r, 'B0 B1'],
      [p - r, 'B0 W0'],
      [r, 'W1'],
      [r, 'W0'],
    ],
  );
