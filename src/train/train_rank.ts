/**
 * One process of a training job: compiles the classes that its ranks run, opens an engine for them, and trains.
 *
 * Every process takes the same decisions from the same facts; what only one knows (a clock, a signal) it tells the others through the
 * store before they need it.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { waitingText } from '../engine/native/waiting.js';
import { ops } from '../ops/index.js';
import { ranksOf } from '../plan/plan.js';
import { arenaBytesOf } from '../memory/share_arena.js';
import { launchCount } from '../program/unroll.js';
import { initializeState, restoreState } from '../run/load_state.js';
import { mark } from '../run/begin.js';
import { commitStaged } from '../run/staged.js';
import { stateOf } from '../run/state.js';
import { afterTraining } from './after_training.js';
import { agreeOnPrograms } from './agree_on_programs.js';
import { planText } from '../plan/plan_text.js';
import { compileRun, type RunPrograms } from './compile_run.js';
import { countersOf } from './counters.js';
import { Digesting } from './digesting.js';
import type { RunSummary } from './events.js';
import { beginSetup, inSetup } from './in_setup.js';
import { loadWeights } from './initial_weights.js';
import { RunLength } from './length.js';
import { trainLoop } from './loop.js';
import { MemoryGauge } from './memory/gauge.js';
import { tamingOf } from './divergence.js';
import { firstNonFinite, limitsOf, requireFiniteLoss } from './not_finite.js';
import { orderNotice } from './order_notice.js';
import { parameterCount, Progress } from './progress.js';
import type { LoadedJob, RankJob } from './rank_job.js';
import { Saving } from './saving.js';
import { SkippedUpdates } from './skipped_updates.js';
import { Stopping } from './stopping.js';
import { TrainingStep } from './training_step.js';
import { Validation } from './validation.js';

/** What a run came to, as rank 0 tells it. */
export interface RankResult {
  readonly summary: RunSummary;
  /** True where it was stopped before its end: before its last step, or what comes after that was left out. */
  readonly interrupted: boolean;
  /** Whether the script alone stopped it, by the `signal` that it gave the call: no signal of the system did. */
  readonly aborted: boolean;
  /** Whether all its steps are trained and saved: `flotilla resume` has nothing to go on with. */
  readonly complete: boolean;
}

/** Steps done before those that are traced. */
const traceFrom = 3;

/** Trains to the end, or until interrupted. Throws `train/…`, `checkpoint/…`, `engine/…`. */
export async function trainRank(job: RankJob): Promise<RankResult> {
  const { config, model, plan, host, clock, events } = job;
  const began = clock.elapsed();
  const optimizer = config.optimizer;
  const target = host.kind === 'native' ? host.device : host.kind;
  events.emit({ kind: 'setup_started', part: 'compiling' });
  const programs = compileRun({
    ...{ model, optimizer, plan, documents: config.data.documents },
    ...{ registry: ops, target, rank: host.rank },
  });
  const seconds = (clock.elapsed() - began) / 1000;
  const opened = beginSetup(events, 'engine: opening');
  const arenaBytes = arenaBytesOf([programs.training.program, programs.validation.program]);
  const { engine, peers, memoryBytes } = await host.open(arenaBytes);
  try {
    // A signal that came while this thread compiled is heard before.
    await turn();
    job.ready();
    const peakBytes = await agreeOnPrograms({ peers, programs, target, arenaBytes });
    const memory = new MemoryGauge(memoryBytes, arenaBytes);
    const training = await engine.load(programs.training.program);
    const validation = await engine.load(programs.validation.program);
    opened();
    events.emit({
      kind: 'compiled',
      parameters: parameterCount(programs),
      instructions: launchCount(programs.training.program.classes[0]),
      plan: planText(plan),
      peakBytesPredicted: peakBytes,
      seconds,
    });
    if (peers.rank === 0) {
      tellUnused(job, programs);
      const inOrder = orderNotice(programs.training.orderFault, config);
      if (inOrder) events.emit({ kind: 'warning', code: inOrder.code, message: inOrder.message });
    }
    const loaded: LoadedJob = {
      ...job,
      programs,
      engine,
      peers,
      training,
      validation,
      optimizer,
      tensors: stateOf(programs.training.placed, engine.ranks),
      peakBytes,
      memory,
      leads: peers.rank === 0,
      begins: countersOf(job.resume?.manifest ?? null, model.options.context),
      tokensPerStep: config.batch.sequences * model.options.context,
    };
    return await trainLoaded(loaded);
  } finally {
    await engine.close();
  }
}

async function trainLoaded(job: LoadedJob): Promise<RankResult> {
  const { clock, resume, folder } = job;
  const firstStep = job.begins.step;
  await inSetup(job.events, resume ? 'checkpoint: loading' : 'first weights', () => setState(job));
  if (job.leads) {
    mark(job.folder, job.config);
    commitStaged(job.folder);
    job.folder.writeResolvedPlan({ ...job.programs.resolved, predicted: { peak_bytes: job.peakBytes } });
  }
  const setupSeconds = (clock.now() - job.launchedAt) / 1000;
  const length = new RunLength(job);
  const runSteps = () => length.steps;
  tellStart(job, runSteps(), setupSeconds);
  const digesting = new Digesting(job);
  await digesting.begin();

  const progress = new Progress(job);
  const trainingStep = new TrainingStep(job, runSteps, resume?.manifest.optimizer.step ?? 0);
  const saving = new Saving(job, runSteps, () => trainingStep.updates);
  const skips = new SkippedUpdates();
  const stopping = new Stopping(job.peers, job);
  const validation = new Validation(job, runSteps, stopping);

  const taming = (step: number): string | null => tamingOf(job, trainingStep, step);
  const began = clock.elapsed();
  const { done, interrupted: stopped } = await trainLoop(firstStep, {
    runSteps,
    stopping,
    step: async (index, doneHere) => {
      const outcome = await trainingStep.run(index, { traced: isTraced(job, doneHere) });
      await requireFiniteLoss(job, trainingStep, outcome);
      await digesting.note(outcome);
      if (isTraced(job, doneHere) && !isTraced(job, doneHere + 1)) writeTrace(job);
      return outcome;
    },
    told: (outcome) => {
      skips.note(outcome);
      progress.tell(outcome);
    },
    length: { isDue: (doneHere) => length.isDue(doneHere), decide: (at) => length.decide(at, progress.stepSeconds) },
    settled: async (step) => {
      if (!skips.tooMany) return;
      // What was trained before is not lost.
      await saving.saveLast(step);
      const first = await firstNonFinite(job, trainingStep, step - 1);
      throw skips.error({ step, first, taming: taming(step), limits: limitsOf(job), complete: step === runSteps() });
    },
    validation,
    saving,
  });
  const trainSeconds = (clock.elapsed() - began) / 1000;
  let interrupted = stopped;
  if (done > firstStep || !resume) {
    await saving.saveLast(done);
    if (skips.mostOfAll)
      throw skips.error({
        step: done,
        first: null,
        taming: taming(done),
        limits: limitsOf(job),
        complete: done === runSteps(),
      });
    // From here on nothing that was trained can be lost.
    if (!stopped) {
      await afterTraining('the last validation', folder.path, () => validation.measure(done));
      interrupted = await stopping.stopsHere(done);
    }
  }
  const { loss: validationLoss, step: validationStep } = validation;
  const measured = { skippedUpdates: skips.count, validationLoss, validationStep, setupSeconds, trainSeconds };
  const aborted = interrupted && (await stopping.byScriptAlone());
  return { summary: progress.summary(done, measured), interrupted, aborted, complete: done === runSteps() };
}

/** First values, another run's weights, or the checkpoint that the run goes on from. */
async function setState({ training, tensors, resume, programs, config }: LoadedJob): Promise<void> {
  if (resume) return restoreState(training, tensors, resume);
  await initializeState(training, tensors, programs.training.parameters, config.seed);
  const { initial_load_path: weights } = config.checkpoint;
  if (weights !== null) await loadWeights(training, tensors, weights);
}

function tellUnused({ events }: RankJob, { training: { unusedParameters: unused } }: RunPrograms): void {
  if (unused.length === 0) return;
  const left = unused.length === 1 ? 'it as it is' : 'them as they are';
  const message = `the loss does not depend on ${unused.join(', ')}: training leaves ${left}`;
  events.emit({ kind: 'warning', code: 'train/unused-parameters', message });
}

function tellStart(job: LoadedJob, steps: number | null, setupSeconds: number): void {
  const { events, folder, plan, host, config, tokensPerStep, resume, begins } = job;
  events.emit({
    kind: 'started',
    name: folder.name,
    ranks: ranksOf(plan),
    engine: host.kind,
    device: host.device,
    precision: config.precision,
    tokensPerStep,
    steps,
    minutes: config.minutes,
    resumedFrom: resume ? begins.step : null,
    setupSeconds,
    threadsWait: host.kind === 'native' && host.device === 'cpu' ? waitingText() : null,
  });
}

/** A trace is to look at: a disk that is full is no reason to stop. */
function writeTrace({ writeTrace, host, events }: LoadedJob): void {
  try {
    writeTrace(host.trace!.launches);
  } catch (error) {
    events.emit({ kind: 'warning', code: 'train/trace-lost', message: `no trace: ${(error as Error).message}` });
  }
}

const isTraced = ({ leads, host, config }: LoadedJob, doneHere: number): boolean =>
  leads && host.trace !== undefined && doneHere >= traceFrom && doneHere < traceFrom + config.logging.trace_steps;
