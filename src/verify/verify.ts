/**
 * The program verifier: does every run of this program, whatever the timing, compute what it was made from?
 *
 * It sees programs, kernel signatures, and the placed graphs that say what is to be computed; never the passes that made the program of
 * them. Classes of equal ranks are verified once, over their unrolled schedule; what ranks must agree on is compared between classes.
 *
 *   structure        ranks, indices, lanes, addresses                                     structure.ts
 *   reads, writes    every read is of the named value, written and finished               reads_and_writes.ts
 *   placements       layouts follow from rules; nothing nonlinear reads a partial value   placements.ts
 *   identity         every value means what the placed graphs say                         identity.ts
 *   collectives      members of a group launch the same ones in the same order            collectives.ts
 *   channels         the k-th send is the k-th receive                                    channels.ts
 *   progress         nothing hangs                                                        progress.ts
 *   launches         the kernel table has the kernels that are named, in such workspaces   launches.ts
 */
import type { DiagnosticError } from '../ir/diagnostic.js';
import type { OpRegistry } from '../ir/op.js';
import { referenceKernels } from '../kernels/chooser.js';
import type { Program } from '../program/program.js';
import { checkChannels } from './channels.js';
import { checkCollectives } from './collectives.js';
import { compileClass } from './compiled_class.js';
import { Expected, type Specification } from './expected.js';
import { checkIdentity } from './identity.js';
import { checkPlacements } from './placements.js';
import { checkProgress } from './progress.js';
import { checkReadsAndWrites } from './reads_and_writes.js';
import { checkStructure } from './structure.js';
import { checkLaunches, type KernelTable } from './launches.js';

/** Every fault of a program of these graphs, for these kernels, each once for all microbatches; empty where it is correct. */
export function verifyProgram(
  program: Program,
  specification: Specification,
  registry: OpRegistry,
  kernels: KernelTable = referenceKernels,
): readonly DiagnosticError[] {
  const structure = checkStructure(program, specification.step.meshes);
  if (structure.length > 0) return structure;
  const expected = new Expected(specification, registry);
  const classes = program.classes.map((rankClass) => compileClass(program, rankClass));
  const faults = [
    ...classes.flatMap((compiled) => [
      ...checkIdentity(compiled, expected),
      ...checkPlacements(compiled, registry),
      ...checkReadsAndWrites(compiled),
    ]),
    ...checkCollectives(classes),
    ...checkChannels(classes),
    ...checkProgress(classes),
  ];
  return faults.length > 0 ? faults : classes.flatMap((compiled) => [...checkLaunches(compiled, kernels)]);
}
