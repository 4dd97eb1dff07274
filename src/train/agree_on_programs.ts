/** Before the first step: the programs are proved sound, and the same on every rank. */
import { ops } from '../ops/index.js';
import { kernelsOf, type Target } from '../kernels/target.js';
import { verifyProgram } from '../verify/index.js';
import type { Peers } from '../run/peers.js';
import { programHash, type RunPrograms } from './compile_run.js';
import { programsDiffer } from './diagnostics.js';

/** Rank 0 proves; the others compare theirs with its. Throws the verifier's diagnostics and `train/programs-differ`. */
export async function agreeOnPrograms(peers: Peers, programs: RunPrograms, target: Target): Promise<void> {
  if (peers.rank === 0) verify(programs, target);
  if (peers.processes > 1) await compare(peers, programs);
}

function verify({ training, validation }: RunPrograms, target: Target): void {
  const kernels = kernelsOf(target, ops);
  for (const { program, placed } of [training, validation]) {
    const [fault] = verifyProgram(program, placed, ops, kernels);
    if (fault) throw fault;
  }
}

async function compare(peers: Peers, { training, validation }: RunPrograms): Promise<void> {
  const hash = `${programHash(training.program)} ${programHash(validation.program)}`;
  await peers.set(`program/${peers.rank}`, hash);
  // Each process compares with rank 0, and rank 0 with each, so that all of them stop.
  for (let other = 0; other < (peers.rank === 0 ? peers.processes : 1); other++) {
    if ((await peers.get(`program/${other}`)) !== hash) throw programsDiffer({ rank: peers.rank, other });
  }
}
