/** A loss that is not finite ends the run, with the place where it came from. */
import { basename, join } from 'node:path';
import { readLatest } from '../checkpoint/index.js';
import type { NonFinite } from '../engine/engine.js';
import { earliest } from '../engine/non_finite.js';
import { limitsText } from '../passes/exact_sums.js';
import type { Plan } from '../plan/plan.js';
import { lossNotFinite } from './diagnostics.js';
import { tamingOf } from './divergence.js';
import type { LoadedJob } from './rank_job.js';
import type { StepOutcome, TrainingStep } from './training_step.js';

/**
 * Throws `train/loss-not-finite`. Called by every process after each step: one that was skipped is skipped on all ranks, and rank 0 has
 * its loss.
 */
export async function requireFiniteLoss(job: LoadedJob, step: TrainingStep, outcome: StepOutcome): Promise<void> {
  const { peers, folder, config, disk } = job;
  const key = `loss of step ${outcome.step}`;
  if (outcome.skipped && job.leads) await peers.set(key, String(outcome.loss));
  const loss = outcome.skipped ? Number(await peers.get(key)) : outcome.loss;
  if (loss === null || Number.isFinite(loss)) return;
  // An update that was skipped has left every parameter as it was, so that the step can be done again.
  const first = outcome.skipped ? await firstNonFinite(job, step, outcome.step) : null;
  const directory = folder.checkpoints(config);
  const latest = await readLatest(disk, directory);
  throw lossNotFinite({
    step: outcome.step + 1,
    loss,
    first,
    limits: limitsOf(job),
    taming: tamingOf(job, step, outcome.step + 1),
    begins: job.resume ? 'a checkpoint' : config.checkpoint.initial_load_path,
    previous: latest && join(directory, basename(latest)),
  });
}

/** What is too large for the sums of a run that is reproducible, behind what is not finite in it: empty of any other. */
export const limitsOf = ({ plan }: { readonly plan: Pick<Plan, 'reproducible'> }): string =>
  plan.reproducible ? ` (the run is reproducible: what is above ${limitsText} for each token counts as infinite)` : '';

/**
 * The first value of a step that is not finite, of those that all processes find. The step is done again: its update was left out, so that
 * every parameter is as it was.
 */
export async function firstNonFinite(
  { training, peers, engine }: LoadedJob,
  trainingStep: TrainingStep,
  step: number,
): Promise<NonFinite | null> {
  const key = (rank: number) => `not finite on rank ${rank} in step ${step}`;
  await trainingStep.writeInputs(step);
  await peers.set(key(engine.ranks[0]), JSON.stringify(await training.firstNonFinite()));
  const ranks = peers.processes === 1 ? [engine.ranks[0]] : Array.from({ length: peers.processes }, (_, rank) => rank);
  const found = await Promise.all(
    ranks.map(async (rank) => JSON.parse(await peers.get(key(rank))) as NonFinite | null),
  );
  return earliest(found.filter((one) => one !== null));
}
