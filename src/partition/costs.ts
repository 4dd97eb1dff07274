/** What the partitioner prices its choices by: seconds, from whoever knows them. It knows no op names and no devices. */
import type { Layout } from '../ir/layout.js';
import type { Mesh } from '../ir/mesh.js';
import type { TensorType } from '../ir/type.js';
import type { Move } from '../reshard/moves.js';

export interface PathSearch {
  path(mesh: Mesh, type: TensorType, from: Layout, to: Layout): readonly Move[] | null;
}

export interface PartitionCosts {
  readonly search: PathSearch;
  /** Seconds of one move. */
  move(mesh: Mesh, type: TensorType, move: Move): number;
  /** Seconds of `bytes` between stages. */
  transfer(bytes: number): number;
  /** Seconds of an op that does `flops` on one rank. `fused`: false where its decomposition runs instead of its kernel. */
  op(flops: number, fused: boolean): number;
}
