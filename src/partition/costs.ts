/** What the partitioner prices its choices by: seconds, from whoever knows them. It knows no op names and no devices. */
import { alphaBeta, oneMachine, type AlphaBeta } from '../cost/index.js';
import type { Mesh } from '../ir/mesh.js';
import { ReshardSearch } from '../reshard/search.js';

export interface PartitionCosts {
  /** Reshard paths and their prices, one search a group's mesh. */
  readonly reshards: readonly ReshardSearch[];
  /** Seconds of `bytes` between groups, which a rank receives in so many messages. */
  transferSeconds(bytes: number, messages: number): number;
  /** Seconds of an op that does `flops` on one rank. `fused`: false where its decomposition runs instead of its kernel. */
  opSeconds(flops: number, fused: boolean): number;
  /** Forfeit of an op for each time beyond the first that ranks do work which the plan gives them an axis to share over. */
  readonly repeatSeconds: number;
}

/** Round figures, for choosing among candidates where nothing was measured. */
export function defaultCosts(meshes: readonly Mesh[], link: AlphaBeta = oneMachine): PartitionCosts {
  const cost = alphaBeta(link);
  return {
    reshards: meshes.map((mesh) => new ReshardSearch(mesh, cost)),
    transferSeconds: (bytes, messages) =>
      messages * (link.launchSeconds + link.latencySeconds) + bytes / link.bytesPerSecond,
    // A decomposition passes its intermediate values through memory: about four times the kernel's time.
    opSeconds: (flops, fused) => (flops * (fused ? 1 : 4)) / flopsPerSecond,
    // More than any reshard: a plan that splits the batch means it, whatever a small model's latencies say.
    repeatSeconds: 1000,
  };
}

const flopsPerSecond = 400e9;
