import type { ScheduleKind } from './kind.js';
import { inPhases } from './phases.js';
import type { Entry } from './slot.js';

/**
 * DualPipeV: DualPipe cut in half, so that no weight is held twice. Two chunks a group, there and back; in the steady state each group runs
 * a forward of one chunk woven with a backward of the other, so that the messages and all-to-alls of one hide under the work of the other.
 *
 * A table splits the backward of a chunk for all microbatches or for none, so each backward here has a weight slot: right behind it where
 * DeepSeek's runs the full backward, later where it fills the end of the step.
 *
 * Bubble (p − 1)(F&B + (B + W) − 3W), F&B being the time of a woven pair: F + B where weaving hides nothing. Activations: 2p + 1 chunks. In
 * the source's words, which count the chunks as PP = 2p and the backward as a whole: (PP/2 − 1)(F&B + B − 3W) and PP + 1. m ≥ 2p.
 *
 * Where F = B = W that is p − 1 units. DeepSeek's pairs have the gradients of weights inside: by the same formula 2(p − 1) units, since the
 * next group waits for them too. A weight slot of its own gives way.
 *
 * Source: DeepSeek-AI 2024 (arXiv:2412.19437) §3.2.1 and table 2, and github.com/deepseek-ai/DualPipe; Qi, Wan, Lin, Huang 2025,
 * "DualPipe could be better without the Dual" (huggingface.co/blog/ufotalent/cut-in-half).
 */
export const dualPipeV: ScheduleKind = {
  name: 'dualpipe-v',
  pytorch: 'DualPipeV',
  about: 'DualPipe cut in half: two chunks a group, there and back, forwards woven with backwards.',
  use: 'Where communication inside a chunk (expert dispatch, tensor splits) is what costs: the other slot works meanwhile.',
  source:
    'DeepSeek-AI 2024, [arXiv:2412.19437](https://arxiv.org/abs/2412.19437), section 3.2.1; cut in half: ' +
    '[Qi, Wan, Lin, Huang 2025](https://huggingface.co/blog/ufotalent/cut-in-half)',
  placement: 'v',
  virtualStages: { exactly: 2 },
  leastMicrobatches: (groups) => 2 * groups,
  legalMicrobatches: '2p or more',
  splitsBackward: true,
  bubble: {
    of: 'step',
    text: '(p − 1)(F&B + (B + W) − 3W), with F&B = F + B',
    holds: 'F = B = W',
    holdsFor: (_, { forward: F, backward: B, weight: W }) => F === B && B === W,
    value: ({ groups: p }, { forward: F, backward: B, weight: W }) => (p - 1) * (F + B + (B + W) - 3 * W),
  },
  peak: {
    to: 'weight',
    text: '2p + 1',
    holds: 'any legal m',
    holdsFor: () => true,
    value: ({ groups: p }) => 2 * p + 1,
  },
  generate: ({ groups, microbatches }) =>
    Array.from({ length: groups }, (_, group) => order(group, groups, microbatches)),
};

/** Group r of p; m ≥ 2p. The last group's first two are not woven: the backward would wait for the forward that has just come round. */
function order(r: number, p: number, m: number): Entry[] {
  const apart = r === p - 1 ? 1 : 0;
  const ends = 2 * (r + 1);
  return inPhases(
    [r, 2 * p - 1 - r],
    [
      [2 * (p - r - 1), 'F0'],
      [r + 1, 'F0 F1'],
      [p - r - 1, 'B1 W F1'],
      [apart, 'F0 B1 W F1+B0 W'],
      [m - 2 * p + r + 1 - apart, 'F0+B1 W F1+B0 W'],
      [p - r - 1, 'B1 W F1+B0 W'],
      // The last backwards of both chunks in turn; from the middle on their weight slots are left for the end.
      ...Array.from({ length: ends }, (_, i): [number, string] => [1, `B${1 - (i % 2)}${i < ends / 2 ? ' W' : ''}`]),
      [p - r - 1, 'W B0'],
      [r + 1, 'W'],
    ],
  );
}
