/**
 * One process of a training job: compiles the programs, opens an engine for the ranks it runs, and trains.
 *
 * Every process takes the same decisions from the same facts; what only rank 0 knows (the clock, a signal) it tells the others through
 * the store before they need it.
 */
import { DiagnosticError } from '../ir/diagnostic.js';
import { listCheckpoints, nodeDisk, type Checkpoint } from '../checkpoint/index.js';
import type { Dataset } from '../data/index.js';
import { bitsPerByte } from '../data/ngram.js';
import type { Engine, LoadedProgram, NonFinite } from '../engine/engine.js';
import { earliest } from '../engine/non_finite.js';
import { elementsOf } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import type { DeviceType } from '../kernels/device.js';
import { ops } from '../ops/index.js';
import { adamwScalars } from '../optim/adamw.js';
import { ranksOf, type Plan } from '../plan/plan.js';
import { describeModel } from '../plan/describe_model.js';
import { arenaBytesOf } from '../program/share_arena.js';
import { kernelsOf, type Target } from '../program/target.js';
import { launchCount } from '../program/unroll.js';
import { verifyProgram } from '../program/verify/index.js';
import { packageVersion } from './package_version.js';
import { configHash } from './config.js';
import { compileRun, programHash, type RunPrograms } from './compile_run.js';
import { planText } from './choose_plan.js';
import { lossNotFinite, programsDiffer } from './diagnostics.js';
import { evaluate } from './evaluate.js';
import type { RunSummary, TrainEvents } from './events.js';
import { initializeState, restoreState } from './load_state.js';
import { optimizerOf } from './option_objects.js';
import type { TrainConfig } from './options.js';
import type { Peers } from './peers.js';
import { nativeBytes } from './resident_memory.js';
import { readResult } from './results.js';
import type { RunFolder } from './run_folder.js';
import { decidedAfter, stepsOfMinutes, validationOverhead } from './run_length.js';
import { saveState } from './save_state.js';
import { stateOf, type StateTensor } from './state.js';
import type { TracedLaunch } from './traced_launch.js';
import { writeBatch, writeMicrobatches, writeScalars } from './step_inputs.js';

/** An engine for this process's ranks, opened once the size of its arena is known. */
export interface EngineHost {
  readonly kind: 'native' | 'reference';
  readonly device: DeviceType;
  open(arenaBytes: number): Promise<{ readonly engine: Engine; readonly peers: Peers }>;
  /** Takes notes of what the engine did in a step, where it can tell. */
  readonly trace?: StepTracer;
}

/** Records launches of a few steps. */
export interface StepTracer {
  run(program: LoadedProgram): Promise<{ readonly seconds: number }>;
  readonly launches: readonly TracedLaunch[];
}

export interface WorkerOptions {
  readonly folder: RunFolder;
  readonly config: TrainConfig;
  readonly model: LanguageModel;
  readonly plan: Plan;
  readonly dataset: Dataset;
  readonly host: EngineHost;
  /** What the run goes on from; null: first values. */
  readonly resume: Checkpoint | null;
  readonly events: TrainEvents;
  /** True from when the user has asked to stop. Asked on rank 0. */
  readonly interrupted: () => boolean;
  /** Floating-point operations a second of this machine's measured peak; null where there is no measure. */
  readonly peakFlops: number | null;
  readonly writeTrace: (launches: readonly TracedLaunch[]) => void;
  /** Since 1970, in milliseconds: when the run was launched. */
  readonly launchedAt: number;
}

/** What a run came to, as rank 0 tells it. */
export interface WorkerResult {
  readonly summary: RunSummary;
  /** True where the user stopped it before its end. */
  readonly interrupted: boolean;
}

/** Trains to the end, or until interrupted. Throws `runtime/loss-not-finite`, `checkpoint/…`, `engine/…`. */
export async function runWorker(options: WorkerOptions): Promise<WorkerResult> {
  const { config, model, plan, host } = options;
  const started = performance.now();
  const optimizer = optimizerOf(config.optimizer);
  const target = host.kind === 'native' ? host.device : host.kind;
  const programs = compileRun({ model, optimizer, plan, registry: ops, target });
  const bytes = Math.max(
    ...plan.stages.map((_, stage) => arenaBytesOf([programs.training.program, programs.validation.program], stage)),
  );
  const { engine, peers } = await host.open(bytes);
  try {
    if (peers.rank === 0) verify(programs, target);
    await comparePrograms(peers, programs);
    const residentBefore = nativeBytes();
    const training = await engine.load(programs.training.program);
    const validation = await engine.load(programs.validation.program);
    options.events.emit({
      kind: 'compiled',
      parameters: parameterCount(programs),
      instructions: launchCount(programs.training.program.classes[0]),
      plan: planText(plan),
      peakBytesPredicted: bytes,
      seconds: (performance.now() - started) / 1000,
    });
    const worker = new Worker(options, { programs, engine, peers, training, validation, bytes, residentBefore });
    return await worker.run();
  } finally {
    await engine.close();
  }
}

interface Loaded {
  readonly programs: RunPrograms;
  readonly engine: Engine;
  readonly peers: Peers;
  readonly training: LoadedProgram;
  readonly validation: LoadedProgram;
  /** Of the arena. */
  readonly bytes: number;
  readonly residentBefore: number | null;
}

class Worker {
  private readonly options: WorkerOptions;
  private readonly loaded: Loaded;
  private readonly optimizer;
  private readonly tensors: readonly StateTensor[];
  private readonly leads: boolean;
  private readonly tokensPerStep: number;
  /** Steps of the whole run; null until ten timed ones have decided it. */
  private length: number | null;
  private readonly stepSeconds: number[] = [];
  private readonly losses: number[] = [];
  private validationLoss: number | null = null;
  private savedStep: number | null;
  private measuredBytes: number | null = null;
  private trainSeconds = 0;
  private setupSeconds = 0;

  constructor(options: WorkerOptions, loaded: Loaded) {
    const { config, folder, resume } = options;
    this.options = options;
    this.loaded = loaded;
    this.optimizer = optimizerOf(config.optimizer);
    this.tensors = stateOf(loaded.programs.training.program);
    this.leads = loaded.peers.rank === 0;
    this.tokensPerStep = config.batch.sequences * options.model.options.context;
    this.length = config.steps ?? folder.readRecord().steps;
    this.savedStep = resume?.manifest.step ?? null;
  }

  async run(): Promise<WorkerResult> {
    const { config, plan, events, folder, resume, host } = this.options;
    const { training, engine, programs, bytes } = this.loaded;
    const first = resume?.manifest.step ?? 0;
    const { ranks } = engine;
    if (resume) await restoreState(training, this.tensors, resume, ranks);
    else {
      const { parameters } = programs.training;
      await initializeState(training, this.tensors, parameters, { ranks, seed: config.seed });
    }
    this.setupSeconds = (Date.now() - this.options.launchedAt) / 1000 + Number(process.env.FLOTILLA_SETUP_SECONDS ?? 0);
    events.emit({
      kind: 'started',
      name: folder.name,
      ranks: ranksOf(plan),
      engine: host.kind,
      device: host.device,
      precision: config.precision,
      tokensPerStep: this.tokensPerStep,
      steps: this.length,
      minutes: config.minutes,
      resumedFrom: resume ? first : null,
      setupSeconds: this.setupSeconds,
    });
    const began = performance.now();
    let step = first;
    let stopBefore = Infinity;
    for (; step < (this.length ?? Infinity); step++) {
      stopBefore = Math.min(stopBefore, await this.stopBefore(step));
      if (step >= stopBefore) break;
      await this.step(step, step - first);
      const done = step + 1;
      if (this.length === null && done - first >= decidedAfter) await this.decideLength(done, first);
      if (done - first === decidedAfter) this.measureMemory();
      const { every_steps: everySteps } = config.evaluation;
      if (everySteps !== null && done % everySteps === 0 && done !== this.length) await this.validate(done);
      const saveEvery = config.checkpoint.every_steps;
      if (saveEvery !== null && done % saveEvery === 0 && done !== this.length) await this.save(done, false);
    }
    const interrupted = step < (this.length ?? Infinity);
    this.trainSeconds = (performance.now() - began) / 1000;
    if (this.measuredBytes === null) this.measureMemory();
    if (step > first || !resume) {
      if (!interrupted) await this.validate(step);
      if (this.savedStep !== step) await this.save(step, true);
    }
    return { summary: this.summary(step, first, bytes), interrupted };
  }

  /** The step before which the job stops, as far as is known: rank 0 says so one step ahead, so that all have heard it in time. */
  private async stopBefore(step: number): Promise<number> {
    const { peers } = this.loaded;
    if (this.leads && this.options.interrupted()) {
      if (peers.processes === 1) return step;
      await peers.add('stop', step + 1);
      return step + 1;
    }
    if (this.leads) return Infinity;
    return (await peers.add('stop', 0)) || Infinity;
  }

  private async step(step: number, index: number): Promise<void> {
    const { training, engine } = this.loaded;
    const { config, events, host } = this.options;
    const began = performance.now();
    await this.writeInputs(step);
    const traced = this.leads && host.trace && index >= traceFrom && index < traceFrom + config.logging.trace_steps;
    if (traced) await host.trace!.run(training);
    else await training.run();
    const [rank] = engine.ranks;
    const tokens = await readResult(training, rank, 'tokens');
    const lossSum = await readResult(training, rank, 'loss_sum');
    // Of a pipeline, one stage has the loss, and rank 0 is in it.
    const loss = tokens === null || lossSum === null ? null : lossSum / tokens;
    const seconds = (performance.now() - began) / 1000;
    this.stepSeconds.push(seconds);
    const skipped = ((await readResult(training, rank, 'skipped')) ?? 0) > 0;
    await this.stopWhereNotFinite(step, loss, skipped);
    if (!this.leads || loss === null || tokens === null) return;
    const gradNorm = (await readResult(training, rank, 'gradient_norm')) ?? NaN;
    this.losses.push(loss);
    events.emit({
      kind: 'step',
      step: step + 1,
      loss,
      gradNorm,
      lr: this.scalars(step).lr,
      stepSeconds: seconds,
      tokensPerSecond: tokens / seconds,
      peakShare: this.peakShare(seconds),
      memoryBytes: nativeBytes(),
    });
    if (skipped) {
      const message = `step ${step + 1}: the gradient is not finite (norm ${gradNorm}), so nothing was updated`;
      events.emit({ kind: 'warning', code: 'runtime/step-skipped', message });
    }
    if (traced && index === traceFrom + config.logging.trace_steps - 1) this.options.writeTrace(host.trace!.launches);
  }

  private scalars(step: number) {
    // Until the length is known only warm-up matters, and that does not depend on it.
    return adamwScalars(this.optimizer, step, this.length ?? Number.MAX_SAFE_INTEGER);
  }

  private async writeInputs(step: number): Promise<void> {
    const { training, engine } = this.loaded;
    const { plan, dataset, config } = this.options;
    const { ranks } = engine;
    await writeBatch(training, plan, ranks, (first, count) => dataset.train.batch(step, first, count));
    await writeMicrobatches(training, plan, ranks);
    await writeScalars(training, ranks, { ...this.scalars(step), seed: config.seed, step });
  }

  /** Ends the run where the loss is not finite. A step that was skipped is skipped on all ranks, and rank 0 has its loss. */
  private async stopWhereNotFinite(step: number, ownLoss: number | null, skipped: boolean): Promise<void> {
    const { peers } = this.loaded;
    const { folder, config } = this.options;
    const key = `loss of step ${step}`;
    if (skipped && this.leads) await peers.set(key, String(ownLoss));
    const loss = skipped ? Number(await peers.get(key)) : ownLoss;
    if (loss === null || Number.isFinite(loss)) return;
    // An update that was skipped has left every parameter as it was, so that the step can be done again.
    const first = skipped ? await this.firstNonFinite(step) : null;
    const [latest] = await listCheckpoints(nodeDisk, folder.checkpoints(config));
    throw lossNotFinite({ step: step + 1, loss, first, previous: latest?.path ?? null });
  }

  /** The first value of a step that is not finite, of those that all processes find. */
  private async firstNonFinite(step: number): Promise<NonFinite | null> {
    const { training, peers, engine } = this.loaded;
    const key = (rank: number) => `not finite on rank ${rank} in step ${step}`;
    await this.writeInputs(step);
    await peers.set(key(engine.ranks[0]), JSON.stringify(await training.firstNonFinite()));
    const ranks =
      peers.processes === 1 ? [engine.ranks[0]] : Array.from({ length: peers.processes }, (_, rank) => rank);
    const found = await Promise.all(
      ranks.map(async (rank) => JSON.parse(await peers.get(key(rank))) as NonFinite | null),
    );
    return earliest(found.filter((one) => one !== null));
  }

  private async decideLength(done: number, first: number): Promise<void> {
    const { config, folder, events } = this.options;
    const { peers } = this.loaded;
    if (this.leads) {
      const overhead = validationOverhead({ every: config.evaluation.every_steps, batches: config.evaluation.batches });
      const steps = first + stepsOfMinutes({ minutes: config.minutes ?? 5, stepSeconds: this.stepSeconds, overhead });
      folder.writeRecord({ ...folder.readRecord(), steps });
      await peers.set('length', String(steps));
      this.length = steps;
      events.emit({ kind: 'length', steps });
    } else this.length = Number(await peers.get('length'));
    if (this.length < done) this.length = done;
  }

  private async validate(step: number): Promise<void> {
    const { config, plan, dataset, events } = this.options;
    const { validation, engine } = this.loaded;
    const loss = await evaluate(validation, plan, engine.ranks, dataset.validation, config.evaluation.batches);
    this.validationLoss = loss;
    if (this.leads && loss !== null)
      events.emit({ kind: 'validation', step, loss, bitsPerByte: bitsPerByte(loss, dataset.bytesPerToken) });
  }

  /** Saves; a failure ends the run only at its end, since a disk may have room again by then. */
  private async save(step: number, last: boolean): Promise<void> {
    const { config, folder, events, plan, model, dataset } = this.options;
    const { training, engine, peers } = this.loaded;
    const began = performance.now();
    const { name, hash } = describeModel(model);
    try {
      const saved = await saveState({
        directory: folder.checkpoints(config),
        keep: config.checkpoint.keep ?? Infinity,
        state: {
          model: { name, hash },
          config_hash: configHash(config),
          step,
          tokens_seen: step * this.tokensPerStep,
          data: { seed: dataset.train.seed, step },
          randomness: { seed: config.seed, step },
          schedule: { total_steps: this.length ?? step },
          optimizer: { name: config.optimizer.name, step },
        },
        tensors: this.tensors,
        program: training,
        ranks: engine.ranks,
        leaders: peers.processes === 1 ? [0] : Array.from({ length: ranksOf(plan) }, (_, rank) => rank),
        peers,
        writtenBy: packageVersion(),
      });
      this.savedStep = step;
      if (!saved) return;
      const seconds = (performance.now() - began) / 1000;
      events.emit({ kind: 'checkpoint', step, path: saved.path, bytes: saved.bytes, seconds });
      for (const message of saved.warnings) events.emit({ kind: 'warning', code: 'checkpoint/old-remains', message });
    } catch (error) {
      if (last || !(error instanceof DiagnosticError)) throw error;
      events.emit({ kind: 'warning', code: error.code, message: error.message });
    }
  }

  private measureMemory(): void {
    const { residentBefore } = this.loaded;
    const now = nativeBytes();
    if (residentBefore !== null && now !== null && this.options.host.kind === 'native')
      this.measuredBytes = now - residentBefore;
  }

  private peakShare(seconds: number): number | null {
    const { peakFlops } = this.options;
    return peakFlops === null ? null : this.loaded.programs.stepFlops / seconds / peakFlops;
  }

  private summary(step: number, first: number, bytes: number): RunSummary {
    const { config, plan, folder, host, dataset } = this.options;
    const baselines = this.leads ? dataset.baselines() : null;
    const lastLosses = this.losses.slice(-lossWindow);
    const stepSeconds = median(this.stepSeconds.slice(Math.min(2, this.stepSeconds.length - 1)));
    return {
      name: folder.name,
      ranks: ranksOf(plan),
      engine: host.kind,
      device: host.device,
      precision: config.precision,
      plan: planText(plan),
      parameters: parameterCount(this.loaded.programs),
      steps: step,
      tokens: (step - first) * this.tokensPerStep,
      trainingLoss: lastLosses.length > 0 ? lastLosses.reduce((a, b) => a + b, 0) / lastLosses.length : null,
      validationLoss: this.validationLoss,
      unigramLoss: baselines?.unigram.natsPerToken ?? null,
      bigramLoss: baselines?.bigram.natsPerToken ?? null,
      bitsPerByte: this.validationLoss === null ? null : bitsPerByte(this.validationLoss, dataset.bytesPerToken),
      tokensPerSecond: stepSeconds === null ? null : this.tokensPerStep / stepSeconds,
      stepSeconds,
      peakShare: stepSeconds === null ? null : this.peakShare(stepSeconds),
      peakBytesPredicted: bytes,
      peakBytesMeasured: this.measuredBytes,
      setupSeconds: this.setupSeconds,
      trainSeconds: this.trainSeconds,
      folder: folder.path,
    };
  }
}

/** Steps done before those that are traced. */
const traceFrom = 3;

/** Steps whose mean is the training loss of the summary. */
const lossWindow = 20;

const parameterCount = ({ training }: RunPrograms): number =>
  training.parameters.reduce((sum, { type }) => sum + elementsOf(type), 0);

/** Rank 0 proves the programs sound; that the others have the same is compared. */
function verify({ training, validation }: RunPrograms, target: Target): void {
  const kernels = kernelsOf(target, ops);
  for (const { program } of [training, validation]) {
    const [fault] = verifyProgram(program, ops, kernels);
    if (fault) throw fault;
  }
}

async function comparePrograms(peers: Peers, { training, validation }: RunPrograms): Promise<void> {
  if (peers.processes === 1) return;
  const hash = `${programHash(training.program)} ${programHash(validation.program)}`;
  await peers.set(`program/${peers.rank}`, hash);
  // Each process compares with rank 0, and rank 0 with each, so that all of them stop.
  for (let other = 0; other < (peers.rank === 0 ? peers.processes : 1); other++) {
    if ((await peers.get(`program/${other}`)) !== hash) throw programsDiffer({ rank: peers.rank, other });
  }
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
