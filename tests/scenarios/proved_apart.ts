/** A program as its ranks prove it: each class where there is no other, their meetings from what those say of theirs in text. */
import type { DiagnosticError } from '../../src/ir/diagnostic.js';
import { ops } from '../../src/ops/index.js';
import type { Program } from '../../src/program/program.js';
import { faultsOf, parseProof, proofText, verifyClasses, type Specification } from '../../src/verify/index.js';

/** What `verifyProgram` says of the same. */
export function provedApart(
  program: Program,
  placed: Specification,
  kernels?: Parameters<typeof verifyClasses>[3],
): readonly DiagnosticError[] {
  const proofs = program.classes.flatMap((rankClass) =>
    verifyClasses({ ...program, classes: [rankClass] }, placed, ops, kernels),
  );
  return faultsOf(
    program.groups,
    proofs.map((proof) => parseProof(proofText(proof))!),
  );
}
