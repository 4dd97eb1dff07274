/**
 * The program as the native executor reads it: one rank's launches, unrolled, with resolved addresses, in launch order.
 *
 * The executor hands `launches` to streams (native/stream_plan.h): kernels and copies to one that computes, communication to one for each
 * group, and for each group of ranks at the other end of messages to one for sends and one for receives, each in the order of the list.
 * Communication begins after all that was to be computed before
 * it; a wait lets compute go on only when the communication it names is complete. Communication that touches what earlier communication
 * still writes, or writes what it still reads, starts when that is complete, on whatever lanes the two are: such waits need not be
 * said. Those of kernels must be. What is still under way after the last launch is completed before the step ends. On the CPU the
 * executor's own thread is the stream that computes; on a GPU streams run by themselves, and the host waits at the step's end alone.
 *
 * Read by native/program_text.cpp. Fields are never absent, except those marked optional.
 */

import type { DType } from '../../ir/dtype.js';

/** A view of the arena: offset in bytes, sizes and strides in elements. A stride of 0 repeats. A bool is one byte, 0 or 1. */
export interface LoadedView {
  readonly offset: number;
  readonly dtype: DType;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
}

/** A part of the arena that a launch may overwrite freely. */
export interface LoadedScratch {
  readonly offset: number;
  readonly bytes: number;
}

export interface KernelLaunch {
  readonly kind: 'kernel';
  readonly kernel: string;
  /** Reads first, then writes, as the kernel's signature orders them. */
  readonly operands: readonly LoadedView[];
  /** How many of the operands, from the first, are read. */
  readonly reads: number;
  readonly scratch: LoadedScratch | null;
  readonly attributes: Readonly<Record<string, number | readonly number[]>>;
  /** The place in the model, for error messages. */
  readonly at: string;
}

export type CollectiveName = 'all_reduce' | 'all_gather' | 'reduce_scatter' | 'all_to_all' | 'broadcast' | 'permute';

/**
 * A collective over the members of a group. Input and output are contiguous and of one dtype. They may be one view (all_reduce,
 * broadcast), and the shorter one may be this member's own block of the longer one (all_gather, reduce_scatter); otherwise they are
 * disjoint. Both must be left alone until the event has been waited for.
 */
export interface CollectiveLaunch {
  readonly kind: 'collective';
  readonly collective: CollectiveName;
  /** Id in `groups`. Members launch the collectives of a group in the same order. */
  readonly group: number;
  readonly reduction: 'sum' | 'max' | null;
  readonly input: LoadedView;
  readonly output: LoadedView;
  /** reduce_scatter, all_to_all: elements that go to each member. Absent: even. */
  readonly inputCounts?: readonly number[] | null;
  /** all_gather, all_to_all: elements that come from each member. Absent: even. */
  readonly outputCounts?: readonly number[] | null;
  /** permute: the members that take our input and give our output; where nobody gives, the output is left as it is. */
  readonly peers?: { readonly to: number | null; readonly from: number | null } | null;
  /** broadcast: the member whose input everyone gets. Absent: 0. */
  readonly root?: number | null;
  /** reduce_scatter: where the other members' blocks arrive, each as long as the output (`kernels/exchanges.ts`). */
  readonly scratch: LoadedScratch | null;
  readonly event: number;
  readonly at: string;
}

/** A message between two ranks of the world. The k-th receive of a (peer, tag) takes the k-th send. */
export interface PointToPointLaunch {
  readonly kind: 'send' | 'recv';
  readonly peer: number;
  /** The group of ranks to which the peer belongs: sends to one are a lane, and receives from one. Absent: 0. */
  readonly lane?: number;
  readonly tag: number;
  readonly view: LoadedView;
  readonly event: number;
  readonly at: string;
}

/** A copy inside the arena, also between strides and dtypes. */
export interface CopyLaunch {
  readonly kind: 'copy';
  readonly from: LoadedView;
  readonly to: LoadedView;
  readonly at: string;
}

/** An event of the compute lane. The order of the list already orders it; it stands here for the trace. */
export interface SignalLaunch {
  readonly kind: 'signal';
  readonly event: number;
  readonly lane: string;
}

/**
 * Waits for the latest earlier launch with that event, and with it for everything launched before it on the same lane (a lane is a
 * group, all sends to a group of ranks, or all receives from one). Where there is none, there is no wait.
 */
export interface WaitLaunch {
  readonly kind: 'wait';
  readonly event: number;
  readonly at: string;
}

export type NativeLaunch =
  KernelLaunch | CollectiveLaunch | PointToPointLaunch | CopyLaunch | SignalLaunch | WaitLaunch;

export interface LaunchList {
  /** The groups of this rank, by their ranks of the world; a member's index here is its rank in the group. */
  readonly groups: readonly { readonly id: number; readonly ranks: readonly number[] }[];
  readonly launches: readonly NativeLaunch[];
}

/** The program as the addon takes it: JSON, with the numbers that JSON lacks as words. */
export function encodeProgram(program: LaunchList): string {
  return JSON.stringify(program, (_key, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}
