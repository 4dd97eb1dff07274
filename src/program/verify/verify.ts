/**
 * The program verifier: does every run of this program, whatever the timing, compute what it was made from?
 *
 * It sees programs and kernel signatures alone: values with types and layouts, instructions with their ops' rules, schedule and
 * addresses, contracts, and the hash of what each template must compute; never the passes that made them. Classes of equal ranks are verified once, over their
 * unrolled schedule; what ranks must agree on is compared between classes.
 *
 *   structure        ranks, indices, lanes, addresses                                     structure.ts
 *   reads, writes    every read is of the named value, written and finished               reads_and_writes.ts
 *   placements       layouts follow from rules; nothing nonlinear reads a partial value   placements.ts
 *   identity         templates compute their sections                                     identity.ts
 *   collectives      members of a group launch the same ones in the same order            collectives.ts
 *   channels         the k-th send is the k-th receive                                    channels.ts
 *   progress         nothing hangs                                                        progress.ts
 *   workspaces       kernels have the workspace that the kernel table gives them          workspaces.ts
 */
import type { DiagnosticError } from '../../ir/diagnostic.js';
import type { OpRegistry } from '../../ir/op.js';
import { referenceKernels } from '../kernel_choice.js';
import type { Program } from '../program.js';
import { checkChannels } from './channels.js';
import { checkCollectives } from './collectives.js';
import { compileClass } from './compiled_class.js';
import { checkIdentity } from './identity.js';
import { checkPlacements } from './placements.js';
import { checkProgress } from './progress.js';
import { checkReadsAndWrites } from './reads_and_writes.js';
import { checkStructure } from './structure.js';
import { checkWorkspaces, type Workspaces } from './workspaces.js';

/** Every fault of a program for these kernels, each once for all microbatches; empty where it is correct. */
export function verifyProgram(
  program: Program,
  registry: OpRegistry,
  kernels: Workspaces = referenceKernels,
): readonly DiagnosticError[] {
  const structure = checkStructure(program);
  if (structure.length > 0) return structure;
  const classes = program.classes.map((rankClass) => compileClass(program, rankClass));
  const faults = [
    ...classes.flatMap((compiled) => [
      ...checkIdentity(compiled),
      ...checkPlacements(compiled, registry),
      ...checkReadsAndWrites(compiled),
    ]),
    ...checkCollectives(classes),
    ...checkChannels(classes),
    ...checkProgress(classes),
  ];
  return faults.length > 0 ? faults : classes.flatMap((compiled) => [...checkWorkspaces(compiled, kernels)]);
}
