/** What the lowering of one class of ranks is given. */
import type { Coordinates } from '../ir/mesh.js';
import type { OpRegistry } from '../ir/op.js';
import type { Bucket } from '../partition/buckets.js';
import type { PlacedGraph } from '../partition/placed.js';
import type { Slot } from '../schedule/table.js';
import type { KernelChooser } from '../kernels/chooser.js';
import type { PlanMemoryOptions } from '../memory/index.js';
import type { Group } from '../program/program.js';

export interface ClassRequest {
  readonly name: string;
  readonly group: number;
  readonly members: readonly Coordinates[];
  readonly groups: readonly Group[];
  /** Forward and backward of one scheduled microbatch. Its outputs are summed over microbatches. */
  readonly step: PlacedGraph;
  /** What runs once, after the last microbatch; it reads the step's outputs by name. Null: there is none (evaluation). */
  readonly update: PlacedGraph | null;
  /** Parameters of this group that lie together and are updated as one. */
  readonly buckets: readonly Bucket[];
  readonly slots: readonly Slot[];
  readonly registry: OpRegistry;
  readonly kernels: KernelChooser;
  /** Limits of the search for addresses. */
  readonly memory?: PlanMemoryOptions;
}
