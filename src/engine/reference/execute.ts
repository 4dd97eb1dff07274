/**
 * Executes a whole program, all ranks in one process, under a chosen schedule: the oracle that verifiers, simulators and other engines
 * are compared with.
 */
import type { OpRegistry } from '../../ir/op.js';
import { referenceKernels, type ReferenceKernels } from '../../ops/evaluate.js';
import type { Program, ProgramValue, RankClass } from '../../program/program.js';
import { Arena } from './arena.js';
import type { Workspaces } from './instructions.js';
import { Machine, type BlockedLane, type Fault, type Observer } from './machine.js';
import { inOrder, type Policy } from './policy.js';
import { loadClasses, placeRanks, VirtualRank, type LoadedClass } from './virtual_rank.js';

/** Blocks of one rank by {@link instanceName}: row-major numbers in the order of the value's factors. */
export type RankBlocks = ReadonlyMap<string, Float64Array>;

export interface ExecuteOptions {
  /** One of both: `kernels` where many programs share memoised decompositions. */
  readonly registry?: OpRegistry;
  readonly kernels?: ReferenceKernels;
  /** What the host writes before the step: parameters, state, scalars and data, by global rank. */
  readonly inputs: readonly RankBlocks[];
  /** Kernels and collectives write over as much workspace as this says that they need. Default: none, as those of the reference engine. */
  readonly workspaces?: Workspaces;
  /** Default {@link inOrder}. */
  readonly policy?: Policy;
  /** The byte that arenas are filled with first. Default 0xFF: NaN in every float type. */
  readonly poison?: number;
  readonly observe?: Observer;
  /** The program's classes from {@link loadClasses}, where it is executed more than once. */
  readonly loaded?: readonly LoadedClass[];
}

export interface Execution {
  /** By global rank: persistent values and the class's results, as they are after the step. */
  readonly values: readonly RankBlocks[];
  /** Every lane that is stuck and what it waits for; null where all came to their end. */
  readonly deadlock: readonly BlockedLane[] | null;
  /** An instruction that could not run at all; null where there is none. */
  readonly fault: Fault | null;
  /** The ranks, with their arenas. */
  readonly ranks: readonly VirtualRank[];
}

/** Runs one step of a program on fresh arenas. */
export function execute(program: Program, options: ExecuteOptions): Execution {
  const { inputs, workspaces, policy = inOrder(), poison = 0xff, observe } = options;
  const kernels = options.kernels ?? referenceKernels(options.registry);
  const loaded = options.loaded ?? loadClasses(program);
  const ranks = virtualRanks(program, loaded, (rankClass) => new Arena(rankClass.arenaBytes, poison));
  for (const rank of ranks) {
    const fault = writeInputs(rank, inputs[rank.rank]);
    if (fault) return { values: ranks.map(readValues), deadlock: null, fault, ranks };
  }
  const { deadlock, fault } = new Machine(ranks, {
    groups: program.groups,
    kernels,
    workspaces,
    policy,
    observe,
  }).run();
  return { values: ranks.map(readValues), deadlock, fault, ranks };
}

/** The ranks of a program in ascending order, each with an arena. */
export function virtualRanks(
  program: Program,
  loaded: readonly LoadedClass[],
  arenaOf: (rankClass: RankClass, rank: number) => Arena,
): readonly VirtualRank[] {
  return placeRanks(program).map(
    ({ rank, classIndex, member }) =>
      new VirtualRank(program, loaded[classIndex], member, arenaOf(program.classes[classIndex], rank)),
  );
}

/** The name of a value's instance: the value's own, followed by the microbatch where there is one for each. */
export const instanceName = (name: string, microbatch: number | null): string =>
  microbatch === null ? name : `${name} @${microbatch}`;

/** What the host writes before a step: persistent values and data, by instance. Views are not among them. */
export function* hostValues(
  rankClass: RankClass,
  microbatches: number,
): Generator<{ readonly index: number; readonly value: ProgramValue; readonly microbatch: number | null }> {
  for (const [index, value] of rankClass.values.entries()) {
    if (value.view) continue;
    if (value.lifetime === 'persistent') yield { index, value, microbatch: null };
    if (value.lifetime !== 'data') continue;
    for (let microbatch = 0; microbatch < microbatches; microbatch++) yield { index, value, microbatch };
  }
}

/** Values that can be read after a step: persistent ones, and what the class says it gives. */
export function readableValues(rankClass: RankClass): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  rankClass.values.forEach((value, index) => {
    if (value.lifetime === 'persistent' && !value.view) found.set(value.name, index);
  });
  for (const [name, index] of Object.entries(rankClass.results)) found.set(name, index);
  return found;
}

function writeInputs(rank: VirtualRank, blocks: RankBlocks): Fault | null {
  const microbatches = Math.max(...rank.rankClass.schedule.map((step) => step.microbatch)) + 1;
  for (const { index, value, microbatch } of hostValues(rank.rankClass, microbatches)) {
    const name = instanceName(value.name, microbatch);
    const block = blocks.get(name);
    const view = block && rank.instance(index, microbatch);
    if (!view) continue;
    try {
      rank.arena.write(view, block);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const instruction = `rank ${rank.rank}: the host writes '${name}'`;
      return { rank: rank.rank, launch: null, instruction, reason: error.message };
    }
  }
  return null;
}

function readValues(rank: VirtualRank): RankBlocks {
  const blocks = new Map<string, Float64Array>();
  for (const [name, index] of readableValues(rank.rankClass)) {
    const view = rank.instance(index, null);
    if (view && rank.arena.contains(view)) blocks.set(name, rank.arena.read(view));
  }
  return blocks;
}
