/** What a rank says to rank 0 of what it has compiled, and what comes of all of them. */
import { z } from 'zod';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { ops } from '../ops/index.js';
import { kernelsOf, type Target } from '../kernels/target.js';
import type { Program } from '../program/program.js';
import { ranksOf } from '../program/ranks.js';
import { faultsOf, jsonOf, parseProof, proofText, verifyClasses, type ClassProof } from '../verify/index.js';
import { classHash, graphsHash, type RunPrograms } from './compile_run.js';
import { programsDiffer } from './diagnostics.js';

const statementSchema = z.strictObject({
  /** Bytes of its arena. */
  arenaBytes: z.int().nonnegative(),
  /** Of the training program, then of the validation program. */
  programs: z
    .array(
      z.strictObject({
        /** Hash of what the program is to compute. */
        graphs: z.string(),
        /** Hash of the class that the rank runs. */
        own: z.string(),
        /** Of the class, where the rank is the first that runs it. */
        proof: z.string().nullable(),
      }),
    )
    .length(2),
});

/** Of one rank. */
export type Statement = z.infer<typeof statementSchema>;

/** Proves the rank's own classes, where it is their first rank. `programs`: with these classes alone. */
export function statementOf(
  rank: number,
  { training, validation }: RunPrograms,
  target: Target,
  arenaBytes: number,
): Statement {
  const kernels = kernelsOf(target, ops);
  const programs = [training, validation].map(({ program, placed }) => {
    const [proof] =
      ranksOf(program.groups, program.classes[0])[0] === rank ? verifyClasses(program, placed, ops, kernels) : [];
    return {
      graphs: graphsHash(placed),
      own: classHash(program.classes[0]),
      proof: proof ? proofText(firstFault(proof)) : null,
    };
  });
  return { arenaBytes, programs };
}

export const statementText = (statement: Statement): string => JSON.stringify(statement);

/** The statement that a text is of; null where it is of none: the rank runs another version. */
export function parseStatement(text: string): Statement | null {
  const parsed = statementSchema.safeParse(jsonOf(text));
  return parsed.success ? parsed.data : null;
}

/**
 * The first fault of the programs of which all ranks have said this, in the order in which `verifyProgram` finds it; `train/programs-differ` where
 * ranks have compiled unlike ones. `groups`: of the program; `statements`: by rank.
 */
export function judge(groups: Program['groups'], statements: readonly (Statement | null)[]): DiagnosticError | null {
  const [first] = statements;
  const isAlike = (one: Statement | null) =>
    one !== null &&
    one.programs.length === first!.programs.length &&
    one.programs.every(({ graphs }, p) => graphs === first!.programs[p].graphs);
  const other = statements.findIndex((one) => !isAlike(one));
  if (other >= 0) return programsDiffer({ rank: other === 0 ? 1 : 0, other });
  for (const p of first!.programs.keys()) {
    const fault = judgeProgram(
      groups,
      statements.map((one) => one!.programs[p]),
    );
    if (fault) return fault;
  }
  return null;
}

function judgeProgram(
  groups: Program['groups'],
  said: readonly Statement['programs'][number][],
): DiagnosticError | null {
  const proofs: ClassProof[] = [];
  const classOf = new Map<number, number>();
  for (const [rank, { proof: text }] of said.entries()) {
    if (text === null) continue;
    const proof = parseProof(text);
    if (!proof) return programsDiffer({ rank: 0, other: rank });
    proofs.push(proof);
    for (const member of proof.digest?.ranks ?? []) classOf.set(member, rank);
  }
  // Of a class that is broken there is no telling whose it is.
  if (proofs.every(({ digest }) => digest !== null)) {
    for (const [rank, { own }] of said.entries()) {
      // A rank of no class is told as that below.
      const first = classOf.get(rank);
      if (first !== undefined && said[first].own !== own) return programsDiffer({ rank: first, other: rank });
    }
  }
  return faultsOf(groups, proofs).at(0) ?? null;
}

/** One is told, of however many. */
const firstFault = ({ faults, digest }: ClassProof): ClassProof => ({ faults: faults.slice(0, 1), digest });
