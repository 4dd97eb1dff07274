/**
 * The step loop: which step comes next, and what happens between two of them. It knows neither engine nor disk nor clock; each policy
 * does, and is asked here in the order that all processes of the job share.
 */
import type { StepOutcome } from './training_step.js';

/** What happens between steps. Every process of the job asks in the same order, so that what one does the others can wait for. */
export interface LoopPolicies {
  /** Steps of the run; null until it is known. */
  readonly runSteps: () => number | null;
  readonly stopping: { stopsHere(done: number): Promise<boolean>; stopsAfter(done: number): Promise<boolean> };
  /** Runs a step. `doneHere`: steps done by this process before it. Throws where training cannot go on. */
  readonly step: (step: number, doneHere: number) => Promise<StepOutcome>;
  /** Told of a step that is done, before anything is decided by it. */
  readonly told: (outcome: StepOutcome) => void;
  readonly length: { isDue(doneHere: number): boolean; decide(done: number): Promise<void> };
  /** Told of every step before what is due after it: what it throws ends the run. `done`: steps of the run. */
  readonly settled: (done: number) => Promise<void>;
  readonly validation: { isDue(done: number): boolean; measure(done: number): Promise<void> };
  readonly saving: { isDue(done: number): boolean; save(done: number): Promise<void> };
}

export interface LoopResult {
  /** Steps of the run that are done. */
  readonly done: number;
  /** Whether the job stopped before its end. */
  readonly interrupted: boolean;
}

/** Runs steps from `first` on, to the run's end or until the job is stopped. */
export async function trainLoop(first: number, policies: LoopPolicies): Promise<LoopResult> {
  const { runSteps, stopping, step, told, length, settled, validation, saving } = policies;
  let done = first;
  // Compiling and loading take their time: who is asked to stop meanwhile need not begin a step that may take longer.
  if (await stopping.stopsHere(done)) return { done, interrupted: true };
  while (done < (runSteps() ?? Infinity)) {
    if (await stopping.stopsAfter(done)) return { done, interrupted: true };
    told(await step(done, done - first));
    done++;
    if (length.isDue(done - first)) await length.decide(done);
    await settled(done);
    if (validation.isDue(done)) await validation.measure(done);
    if (saving.isDue(done)) await saving.save(done);
  }
  return { done, interrupted: false };
}
