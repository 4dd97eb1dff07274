/**
 * The interface that both engines implement: a program loaded for some ranks, values written and read as whole local blocks, steps run.
 *
 * The native engine runs one rank a process on libtorch; the reference engine runs all of them in one process, in plain TypeScript. An
 * engine decides nothing: what happens, where it lies in memory and in which order is the program's.
 */
import type { Program } from '../program/program.js';
import type { HashedBox } from './content_hash.js';
import type { HostArray } from './host_array.js';
import type { Watcher } from './written.js';

/** A value's place: which rank's block, and for values that have an instance for each scheduled microbatch, which one. */
export interface ValuePlace {
  /** Global rank. */
  readonly rank: number;
  /** The value's name in the rank's class. */
  readonly name: string;
  /** Scheduled microbatch; absent for values that have one instance (persistent values, sums of a step). */
  readonly microbatch?: number;
  /** A run of the block's elements, half-open; absent: all of them. */
  readonly elements?: readonly [from: number, to: number];
}

/** A box of a tensor in a rank's block of a value. */
export interface HashedBlock {
  readonly place: ValuePlace;
  readonly box: HashedBox;
}

/** What one step took. */
export interface StepReport {
  readonly seconds: number;
  /** Instructions executed, over all ranks of this engine. */
  readonly launches: number;
}

/** Programs run on ranks. Errors are diagnostics whose codes begin with `engine/`. */
export interface Engine {
  readonly kind: 'reference' | 'native';
  /** The global ranks that this engine runs, ascending. */
  readonly ranks: readonly number[];
  /**
   * Prepares a program. Programs loaded into one engine share each rank's arena: persistent values that they have in common must lie at
   * the same addresses, and whatever else one of them leaves there the next may overwrite.
   */
  load(program: Program): Promise<LoadedProgram>;
  /** Frees the engine; its programs are then refused. */
  close(): Promise<void>;
}

/** A program in an engine. */
export interface LoadedProgram {
  readonly program: Program;
  /**
   * Writes a whole block, or a run of it, row-major, in the element type of the value ({@link HostArray}). Before a step: parameters and state once,
   * scalars and data each step.
   */
  write(place: ValuePlace, block: HostArray): Promise<void>;
  /**
   * Reads a whole block, or a run of it. After a step that is: persistent values, and the results that the class names. Other values may have been
   * overwritten by what came later.
   */
  read(place: ValuePlace): Promise<HostArray>;
  /** Of each tensor the hash of its content (`content_hash.ts`), as far as these blocks hold it: two words each. */
  hash(tensors: readonly (readonly HashedBlock[])[]): Promise<Uint32Array>;
  /** Runs one step on every rank of this engine. */
  run(): Promise<StepReport>;
  /**
   * Runs a step once more, looking for floats that are not finite: the first one on the ranks of this engine, and its place in the
   * model. Null where there is none. All engines of a job do so together. Inputs must have been written again.
   */
  firstNonFinite(): Promise<NonFinite | null>;
  /**
   * Runs a step once more, and shows what each instruction of this engine's ranks has written into values of the graphs: of a rank in the order
   * of its launches, a value that several write as the last of them leaves it at the latest. All engines of a job do so together. Inputs must
   * have been written again.
   */
  watch(see: Watcher): Promise<void>;
}

export interface NonFinite {
  /** Global rank. */
  readonly rank: number;
  /** Op and place in the model: `gelu, blocks.3.mlp (backward)`. */
  readonly at: string;
  /** Which number in which value: `NaN in 'blocks.3.mlp.up.weight', which was given to the step`. */
  readonly what: string;
  /** It was there before the step: in the state, or in what the host wrote. */
  readonly given: boolean;
  /** Where it stands in the dataflow of the step: of what several ranks found, the least came first (`earliest`). */
  readonly order: readonly number[];
}
