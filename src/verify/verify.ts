/**
 * The program verifier: does every run of this program, whatever the timing, compute what it was made from?
 *
 * It sees programs, kernel signatures, and the placed graphs that say what is to be computed; never the passes that made the program of
 * them. A proof has two parts. What a class of equal ranks says by itself is proved of each class, over its unrolled schedule:
 *
 *   structure        indices, lanes, addresses                                            structure.ts
 *   reads, writes    every read is of the named value, written and finished               reads_and_writes.ts
 *   placements       layouts follow from rules; nothing nonlinear reads a partial value   placements.ts
 *   identity         every value means what the placed graphs say                         identity.ts
 *   launches         the kernel table has the kernels that are named, in such workspaces   launches.ts
 *
 * And what classes say to each other is proved of all of them together, from a digest of each (`digest.ts`):
 *
 *   ranks            every rank belongs to one class                                      meetings.ts
 *   collectives      members of a group launch the same ones in the same order            collectives.ts
 *   channels         the k-th send is the k-th receive                                    channels.ts
 *   progress         nothing hangs                                                        progress.ts
 *
 * So classes may be proved apart, each by a process that has no other, and their meetings by whoever is given the digests.
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import type { OpRegistry } from '../ir/op.js';
import { referenceKernels } from '../kernels/chooser.js';
import type { Program } from '../program/program.js';
import { compileClass } from './compiled_class.js';
import { digestOf, type ClassDigest } from './digest.js';
import { Expected, type Specification } from './expected.js';
import { checkIdentity } from './identity.js';
import { checkLaunches, type KernelTable } from './launches.js';
import { verifyMeetings } from './meetings.js';
import { checkPlacements } from './placements.js';
import { checkReadsAndWrites } from './reads_and_writes.js';
import { checkGroups, checkStructure } from './structure.js';

/** What a class comes to by itself. */
export interface ClassProof {
  /** Each once for all microbatches; empty where the class is correct among classes that meet it as its digest says. */
  readonly faults: readonly DiagnosticError[];
  /** Null where its structure is at fault: nothing more can be said of it. */
  readonly digest: ClassDigest | null;
}

/** Every fault of a program of these graphs, for these kernels; empty where it is correct. */
export const verifyProgram = (
  program: Program,
  specification: Specification,
  registry: OpRegistry,
  kernels: KernelTable = referenceKernels,
): readonly DiagnosticError[] => faultsOf(program.groups, verifyClasses(program, specification, registry, kernels));

/** The first part of the proof, of the classes that `program` has: of some process's own, or of all. */
export function verifyClasses(
  program: Program,
  specification: Specification,
  registry: OpRegistry,
  kernels: KernelTable = referenceKernels,
): readonly ClassProof[] {
  const groups = [...checkGroups(program, specification.step.meshes)];
  if (groups.length > 0) return [{ faults: groups, digest: null }];
  const expected = new Expected(specification, registry);
  return program.classes.map((rankClass): ClassProof => {
    const structure = checkStructure(program, rankClass);
    if (structure.length > 0) return { faults: structure, digest: null };
    const compiled = compileClass(program, rankClass);
    const faults = [
      ...checkIdentity(compiled, expected),
      ...checkPlacements(compiled, registry),
      ...checkReadsAndWrites(compiled),
    ];
    return { faults: faults.length > 0 ? faults : [...checkLaunches(compiled, kernels)], digest: digestOf(compiled) };
  });
}

/** The second part, and what comes of both. `proofs`: of all classes, in their order. */
export function faultsOf(groups: Program['groups'], proofs: readonly ClassProof[]): readonly DiagnosticError[] {
  const broken = proofs.filter(({ digest }) => digest === null);
  // What is wrong with the groups of ranks, each class says.
  if (broken.length > 0)
    return [...new Map(broken.flatMap(({ faults }) => faults.map((fault) => [fault.message, fault]))).values()];
  const digests = proofs.map(({ digest }) => digest!);
  return [...proofs.flatMap(({ faults }) => faults), ...verifyMeetings(groups, digests)];
}
