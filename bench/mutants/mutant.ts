/** What a mutation makes: another program, and where to aim when it is tried. */
import type { Kind } from '../../src/program/kinds.js';
import type { Program } from '../../src/program/program.js';
import type { Random } from './random.js';
import type { Aim } from './truth/policies.js';

export interface Mutant {
  readonly program: Program;
  readonly aims: readonly Aim[];
  /** Kinds of the instructions that were changed, left out, put in or moved; absent: tables, schedules, contracts, meshes. */
  readonly touches?: readonly Kind[];
}

/** Changes one thing at a random site; null where the program has no such site. */
export type Mutation = (program: Program, random: Random) => Mutant | null;

/** Mutations by name. */
export type Mutations = Readonly<Record<string, Mutation>>;
