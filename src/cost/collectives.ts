/**
 * The α-β price of collectives: seconds = launch + steps · α + bytes on the wire / β.
 *
 * Per rank of a group of k, with n the bytes of the whole (gathered, or not yet scattered) block and lg k = ⌈log₂ k⌉:
 *
 *   collective       steps      bytes sent by a rank
 *   all_gather       lg k       (k − 1)/k · n      recursive doubling
 *   reduce_scatter   lg k       (k − 1)/k · n      recursive halving
 *   all_reduce       2 lg k     2 (k − 1)/k · n    Rabenseifner: reduce-scatter, then all-gather
 *   all_to_all       lg k       what is received   all sends posted at once, as Gloo and NCCL do, so latencies overlap
 *   permute          1          the block
 *   copy             0          none; the block passes through memory
 *
 * With logarithmic steps one collective over two axes never waits longer than two over one each, as ring formulas (k − 1 steps) would
 * have it for small blocks.
 *
 * Source: Thakur, Rabenseifner, Gropp 2005, "Optimization of Collective Communication Operations in MPICH", §3-4.
 */
import type { AxisName } from '../ir/mesh.js';
import type { Communication, CommunicationCost } from './communication.js';

export interface Link {
  /** α: seconds until the first byte of a message arrives. */
  readonly latencySeconds: number;
  /** β: bytes a second that one rank sends. */
  readonly bytesPerSecond: number;
}

export interface AlphaBeta extends Link {
  /** Seconds of the host and the library for one launch, whatever its size. */
  readonly launchSeconds: number;
  /** Bytes a second of a copy within a rank's memory. */
  readonly copyBytesPerSecond: number;
  /** Links of single axes; a collective over several axes is as slow as the slowest. */
  readonly axes?: Readonly<Record<AxisName, Link>>;
}

/** Round figures for processes of one machine (5 µs, 10 GB/s): for choosing among paths where nothing was measured. */
export const oneMachine: AlphaBeta = {
  latencySeconds: 5e-6,
  bytesPerSecond: 10e9,
  launchSeconds: 5e-6,
  copyBytesPerSecond: 50e9,
};

export const alphaBeta =
  (parameters: AlphaBeta = oneMachine): CommunicationCost =>
  (communication) => {
    if (communication.kind === 'copy') {
      // A hundredth of a launch, so that of two paths the one with fewer copies wins even where there is nothing to copy.
      return parameters.launchSeconds / 100 + communication.outputBytes / parameters.copyBytesPerSecond;
    }
    const { latencySeconds, bytesPerSecond } = slowestLink(parameters, communication.axes);
    const steps = latencySteps(communication);
    return parameters.launchSeconds + steps * latencySeconds + wireBytes(communication) / bytesPerSecond;
  };

/** Bytes that the busiest rank sends. */
export function wireBytes({ kind, ranks, inputBytes, outputBytes, receivedBytes }: Communication): number {
  const share = (ranks - 1) / ranks;
  switch (kind) {
    case 'all_gather':
      return share * outputBytes;
    case 'reduce_scatter':
      return share * inputBytes;
    case 'all_reduce':
      return 2 * share * inputBytes;
    case 'all_to_all':
      return receivedBytes;
    case 'permute':
      return outputBytes;
    case 'copy':
      return 0;
  }
}

/** Messages that wait for one another. */
export function latencySteps({ kind, ranks }: Communication): number {
  switch (kind) {
    case 'all_gather':
    case 'reduce_scatter':
    case 'all_to_all':
      return Math.ceil(Math.log2(ranks));
    case 'all_reduce':
      return 2 * Math.ceil(Math.log2(ranks));
    case 'permute':
      return 1;
    case 'copy':
      return 0;
  }
}

function slowestLink(parameters: AlphaBeta, axes: readonly AxisName[]): Link {
  const links = axes.map((axis) => parameters.axes?.[axis] ?? parameters);
  return {
    latencySeconds: Math.max(0, ...links.map((link) => link.latencySeconds)),
    bytesPerSecond: Math.min(Infinity, ...links.map((link) => link.bytesPerSecond)),
  };
}
