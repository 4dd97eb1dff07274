/** What communication is, to whoever prices it: the reshard search, the planner and the simulator ask with this record. */
import type { AxisName } from '../ir/mesh.js';

/** `permute`: every rank sends its block to one other. `copy`: no communication, the rank moves bytes in its own memory. */
export type CommunicationKind = 'all_gather' | 'reduce_scatter' | 'all_reduce' | 'all_to_all' | 'permute' | 'copy';

/** One communication of one group, seen from its busiest rank. */
export interface Communication {
  readonly kind: CommunicationKind;
  /** The mesh axes along which the group lies. */
  readonly axes: readonly AxisName[];
  /** Ranks in the group. */
  readonly ranks: number;
  /** The largest block that a rank gives. */
  readonly inputBytes: number;
  /** The largest block that a rank has afterwards. */
  readonly outputBytes: number;
  /** What a rank has afterwards and had not before, at most: little where only the bounds of a split shift. */
  readonly receivedBytes: number;
}

/** Seconds that one communication takes. Infinity forbids it. */
export type CommunicationCost = (communication: Communication) => number;
