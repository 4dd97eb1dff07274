/** What the lowering of one class of ranks is given. */
import type { Coordinates } from '../ir/mesh.js';
import type { OpRegistry } from '../ir/op.js';
import type { KernelChooser } from '../kernels/chooser.js';
import type { AssignMemoryOptions } from '../memory/assign_memory.js';
import type { Bucket } from '../partition/buckets.js';
import type { PlacedGraph } from '../partition/placed.js';
import type { Group } from '../program/program.js';
import type { LeadIn, SlotSection } from './lead_ins.js';
import type { PlannedReceive } from './receives.js';
import type { SlotKind, StepSlots } from './slot_kinds.js';
import type { SlotStep } from './slot_order.js';

export interface ClassRequest {
  readonly name: string;
  readonly group: number;
  readonly members: readonly Coordinates[];
  readonly groups: readonly Group[];
  /** Forward and backward of one scheduled microbatch. Its outputs are summed over microbatches. */
  readonly step: PlacedGraph;
  /** What runs once, after the last microbatch; it reads the step's outputs in their roles. Null: there is none (evaluation). */
  readonly update: PlacedGraph | null;
  /** Parameters of this group that lie together and are updated as one. */
  readonly buckets: readonly Bucket[];
  /** What the group computes, in order, and what is gathered ahead of it. */
  readonly order: readonly (SlotStep | LeadIn)[];
  /** What a slot of the group runs. */
  readonly section: (slot: SlotKind, first: boolean) => SlotSection;
  /** In which slots the steps of the step graph run. */
  readonly stepSlots: StepSlots;
  /** In the order in which they are asked for. */
  readonly receives: readonly PlannedReceive[];
  readonly registry: OpRegistry;
  readonly kernels: KernelChooser;
  /** Limits of the search for addresses. */
  readonly memory?: AssignMemoryOptions;
}
