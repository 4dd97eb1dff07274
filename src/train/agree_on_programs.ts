/**
 * Before the first step: the programs are proved sound, and ranks of one class run the same.
 *
 * The first rank of each class proves what its class says by itself; every rank tells rank 0 what it has compiled, and rank 0 proves how
 * the classes meet. What it finds, all ranks throw: nobody begins, and nobody is left waiting.
 */
import { z } from 'zod';
import type { DiagnosticError } from '../ir/diagnostic.js';
import { kernelsOf, type Target } from '../kernels/target.js';
import { ops } from '../ops/index.js';
import { getLong, setLong } from '../run/long_text.js';
import type { Peers } from '../run/peers.js';
import { faultText, parseFault, verifyProgram } from '../verify/index.js';
import type { RunPrograms } from './compile_run.js';
import { judge, parseStatement, statementOf, statementText } from './statement.js';

export interface ProgramsOfRank {
  readonly peers: Peers;
  /** Of a job of several processes, the classes of this rank alone. */
  readonly programs: RunPrograms;
  readonly target: Target;
  /** Of this process. */
  readonly arenaBytes: number;
}

/** The bytes of the largest arena of all ranks. Throws the verifier's diagnostics and `train/programs-differ`, on every rank alike. */
export async function agreeOnPrograms({ peers, programs, target, arenaBytes }: ProgramsOfRank): Promise<number> {
  if (peers.processes === 1) {
    verifyAll(programs, target);
    return arenaBytes;
  }
  await setLong(peers, key(peers.rank), statementText(statementOf(peers.rank, programs, target, arenaBytes)));
  if (peers.rank === 0) await peers.set(key('verdict'), await verdictOf(peers, programs));
  const { fault, peakBytes } = verdict.parse(JSON.parse(await peers.get(key('verdict'))));
  if (fault === null) return peakBytes;
  // Whoever leaves first may take the store with it, or be taken for the cause.
  await allHaveHeard(peers).catch(() => {});
  throw parseFault(fault)!;
}

function verifyAll({ training, validation }: RunPrograms, target: Target): void {
  const kernels = kernelsOf(target, ops);
  for (const { program, placed } of [training, validation]) {
    const [fault] = verifyProgram(program, placed, ops, kernels);
    if (fault) throw fault;
  }
}

const verdict = z.strictObject({ fault: z.string().nullable(), peakBytes: z.number() });

async function verdictOf(peers: Peers, { training }: RunPrograms): Promise<string> {
  const statements = [];
  for (let rank = 0; rank < peers.processes; rank++) statements.push(parseStatement(await getLong(peers, key(rank))));
  const fault: DiagnosticError | null = judge(training.program.groups, statements);
  const peakBytes = Math.max(...statements.map((one) => one?.arenaBytes ?? 0));
  return JSON.stringify({ fault: fault && faultText(fault), peakBytes } satisfies z.infer<typeof verdict>);
}

async function allHaveHeard(peers: Peers): Promise<void> {
  if ((await peers.add(key('heard'), 1)) === peers.processes) await peers.set(key('all have heard'), '');
  await peers.get(key('all have heard'));
}

const key = (what: number | string): string => `program/${what}`;
