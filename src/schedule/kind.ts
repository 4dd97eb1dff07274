import type { Placement } from './placement.js';
import type { Direction, ScheduleTable } from './slot.js';

/** What a schedule is generated for. The model has groups × virtualStages chunks. */
export interface ScheduleShape {
  /** p: groups of the pipeline. */
  readonly groups: number;
  /** v: chunks of the model on each group. */
  readonly virtualStages: number;
  /** m: scheduled microbatches of a step. */
  readonly microbatches: number;
}

/** What a slot takes, for one chunk and one microbatch: `backward` is the gradients of activations alone, `weight` those of weights. */
export type SlotSeconds = Readonly<Record<Direction, number>>;

/** A published figure of a schedule, for the group that has most of it. */
export interface Formula {
  /** As the source writes it, in p, v, m and F, B, W (see {@link SlotSeconds}). */
  readonly text: string;
  /** Where it holds exactly, in words; elsewhere the figure may be another. */
  readonly holds: string;
  readonly holdsFor: (shape: ScheduleShape, seconds: SlotSeconds) => boolean;
  readonly value: (shape: ScheduleShape, seconds: SlotSeconds) => number;
}

export interface ScheduleKind {
  readonly name: string;
  /** What torch.distributed.pipelining, and torchtitan with it, calls it. */
  readonly pytorch: string;
  /** One sentence: what it does. */
  readonly about: string;
  /** One sentence: when to take it. */
  readonly use: string;
  /** Where it is published. */
  readonly source: string;
  readonly placement: Placement;
  /** v, where the schedule fixes it; else the least. */
  readonly virtualStages: { readonly exactly: number } | { readonly least: number };
  /** Fewest microbatches on so many groups. */
  readonly leastMicrobatches: (groups: number) => number;
  /** Which numbers of microbatches are legal, in words. */
  readonly legalMicrobatches: string;
  /** Whether every chunk's backward is split in two: then its table has weight slots. */
  readonly splitsBackward: boolean;
  /**
   * Time in which the worst group does nothing, in the unit of {@link SlotSeconds}, with free messages. `of` says of what: of the step (from
   * its begin to its end, over all groups), or of the group's own span (from its first slot to its last), where updates of groups need not
   * wait for each other.
   */
  readonly bubble: Formula & { readonly of: 'step' | 'span' };
  /**
   * Activations alive at once on the worst group, in chunks × microbatches, each from the begin of its forward to the end of its backward
   * (of its weight slot, where `to` says so).
   */
  readonly peak: Formula & { readonly to: 'backward' | 'weight' };
  /** The table. `shape` is legal: `generateSchedule` in `kinds.ts` asks first. */
  readonly generate: (shape: ScheduleShape) => ScheduleTable;
}
