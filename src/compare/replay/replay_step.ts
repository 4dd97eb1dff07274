/** A step taken again from one run's state: under the plans of both, and serially. */
import { loadModel } from '../../config/load_model.js';
import type { Dataset } from '../../data/index.js';
import { DecomposedMeanings } from '../../ir/decomposed_meaning.js';
import { listCheckpoints, nodeDisk, type Checkpoint } from '../../checkpoint/index.js';
import { referenceKernels, type ReferenceKernels } from '../../ops/evaluate.js';
import { ops } from '../../ops/index.js';
import { checkpointFolders } from '../../run/checkpoint_folders.js';
import { openRunCheckpoint } from '../../run/open_checkpoint.js';
import { countersAt, countersOf, type Counters } from '../../train/counters.js';
import { counted } from '../../ir/units.js';
import type { ReplayFinding } from '../comparison.js';
import { otherTensors } from '../first_differences.js';
import type { Side } from '../side.js';
import { holdAgainstSerial, type HeldValue } from './held.js';
import { firstOff } from './judge.js';
import type { OpenEngines } from './engines.js';
import { ReplayedRun, type WholeState } from './replayed_run.js';
import { meaningsOf } from './meanings.js';
import { nativeSerial } from './native_serial.js';
import { Rounding } from './rounding.js';
import { serialInputs } from './serial_inputs.js';
import { WrittenValues } from './written_values.js';

export interface StepReplay {
  readonly a: Side;
  readonly b: Side;
  /** From 1. */
  readonly step: number;
  /** The data that both have read. */
  readonly dataset: Dataset;
  readonly open: OpenEngines;
  /** Floating-point operations of a step that is computed here; a larger one is taken natively, where the run is native. */
  readonly serialFlops: number;
  /** Whether B began the step from A's state, if that was loaded as it was after `from` steps: then it is to come to what its digest says. */
  readonly isShared: (from: number) => boolean;
}

/** Throws `engine/…`, `checkpoint/…`, `compare/too-large`. */
export async function replayStep({
  a,
  b,
  step,
  dataset,
  open,
  serialFlops,
  isShared,
}: StepReplay): Promise<ReplayFinding> {
  const index = step - 1;
  const how = { kernels: referenceKernels(ops), meanings: new DecomposedMeanings(ops), serialFlops };
  const start = await startBefore(a, index);
  const first = await openRun(a, dataset, open);
  let loadedFrom = 0;
  let from: { readonly state: WholeState; readonly begins: Counters };
  let heldA: readonly HeldValue[];
  const unlike: ('A' | 'B')[] = [];
  try {
    const { config, model } = first.request;
    const done = countersOf(start.checkpoint?.manifest ?? null, model.options.context);
    loadedFrom = done.step;
    await first.begin(done, start.checkpoint).finally(() => start.checkpoint?.close());
    for (let before = done.step; before < index; before++) await first.run(before);
    const tokensPerStep = config.batch.sequences * model.options.context;
    from = { state: await first.state(), begins: countersAt({ begins: done, config, tokensPerStep }, index) };
    heldA = await watched(first, from, index, how);
    if (!(await isAsTold(first, a, step))) unlike.push('A');
  } finally {
    await first.close();
  }
  const second = await openRun(b, dataset, open);
  try {
    await second.take(from.state, from.begins);
    const heldB = await watched(second, from, index, how);
    if (isShared(loadedFrom) && !(await isAsTold(second, b, step))) unlike.push('B');
    return { step, from: start.text(index), values: heldB.length, off: firstOff(heldA, heldB), unlike };
  } finally {
    await second.close();
  }
}

interface Serially {
  readonly kernels: ReferenceKernels;
  readonly meanings: DecomposedMeanings;
  readonly serialFlops: number;
}

async function watched(
  run: ReplayedRun,
  { state, begins }: { readonly state: WholeState; readonly begins: Counters },
  index: number,
  { kernels, meanings, serialFlops }: Serially,
): Promise<readonly HeldValue[]> {
  const { training, stepFlops } = run.programs;
  const { program, placed } = training;
  const written = new WrittenValues(program, placed);
  await run.watch(index, (one) => written.add(one));
  const meaningOf = meaningsOf(placed, meanings);
  const isNative = run.request.config.engine === 'native' && stepFlops > serialFlops;
  const rounding = new Rounding(roundings);
  const request = {
    placed,
    microbatches: program.microbatches,
    kernels,
    inputs: serialInputs(run, state, begins, index),
    rounding,
    known: isNative
      ? await nativeSerial(run.request, { state, begins, index }, { meanings, meaningOf, rounding })
      : () => null,
  };
  return holdAgainstSerial(written, request, meaningOf);
}

/** About a minute's. */
export const usualSerialFlops = 5e9;

/** Rounded variants of a step. */
const roundings = 3;

/** Whether the parameters after the step are those that the run's digest tells of; true where it tells nothing. */
async function isAsTold(run: ReplayedRun, { digests }: Side, step: number): Promise<boolean> {
  const told = digests?.steps.find((one) => one.step === step);
  return !told || otherTensors(await run.parameterHashes(), told.parameters).length === 0;
}

const openRun = ({ run, resolved, record, plan }: Side, dataset: Dataset, open: OpenEngines): Promise<ReplayedRun> =>
  ReplayedRun.open({
    path: run.path,
    config: resolved.config,
    plan,
    model: loadModel(resolved, dataset.vocab),
    dataset,
    runSteps: record.steps,
    open,
  });

interface Start {
  readonly checkpoint: Checkpoint | null;
  readonly text: (index: number) => string;
}

/** The last checkpoint of a run before a step, from 0, or its first values. */
async function startBefore({ folder, resolved: { config } }: Side, index: number): Promise<Start> {
  const found = await Promise.all(
    checkpointFolders(folder, folder.checkpoints(config)).map((directory) => listCheckpoints(nodeDisk, directory)),
  );
  const steps = found.flat().map(({ step }) => step);
  const at = Math.max(0, ...steps.filter((step) => step <= index));
  const further = (to: number) => (to === at ? '' : `, and ${counted(to - at, 'step')} from there`);
  if (at === 0) return { checkpoint: null, text: (to) => `its first values${further(to)}` };
  const checkpoint = await openRunCheckpoint(folder, config, { step: at });
  return { checkpoint, text: (to) => `its checkpoint of step ${at}${further(to)}` };
}
