/** A step of a run against the same step on one rank: whether its plan, or a kernel that only it takes, is right. */
import { loadModel } from '../config/load_model.js';
import type { ModelChoice } from '../config/own_model.js';
import { describeModel } from '../plan/describe_model.js';
import { planOfSizes } from '../plan/parallel_sizes.js';
import { planText } from '../plan/plan_text.js';
import { pathsTold } from '../run/paths_told.js';
import { precisionOf } from '../train/choose_plan.js';
import { openRunData } from '../train/prepare_run.js';
import { replayVerdict } from './compare.js';
import type { ComparedRun, ReplayFinding, ReplayVerdict } from './comparison.js';
import { openEngines, type OpenEngines } from './replay/engines.js';
import { replayStep, usualSerialFlops } from './replay/replay_step.js';
import { openSide, type Side } from './side.js';

export interface SerialOptions extends ModelChoice {
  /** The step that is taken again, from 1. Default: the first. */
  readonly step?: number;
  /** As of `compareRuns`. */
  readonly serialFlops?: number;
  /** Opens the engines on which it is. Default: those of the run, on this machine. */
  readonly open?: OpenEngines;
}

/** A is the run's step on one rank, B under its own plan. */
export interface SerialComparison {
  readonly a: ComparedRun;
  readonly b: ComparedRun;
  readonly replay: ReplayFinding;
  readonly verdict: ReplayVerdict;
}

/** Throws `run/…`, `compare/…`, `config/…`, `checkpoint/…`, `data/…`. */
export const compareWithSerial = (path: string, options: SerialOptions = {}): Promise<SerialComparison> =>
  pathsTold(() => compared(path, options));

async function compared(
  path: string,
  { step = 1, open = openEngines, serialFlops = usualSerialFlops, ...choice }: SerialOptions,
): Promise<SerialComparison> {
  const b = await openSide(path, choice);
  const { config } = b.resolved;
  const dataset = openRunData(b.record.data.folder, config, b.record.order.context);
  try {
    const described = describeModel(loadModel(b.resolved, dataset.vocab));
    const plan = planOfSizes({}, 1, described, config.batch, precisionOf(config));
    const run = { ...b.run, what: `${planText(plan)}, ${config.precision}, ${config.engine}` };
    // It has the run's state, and no digests of its own.
    const a: Side = { ...b, run, plan, digests: null };
    const isShared = (from: number) => from === step - 1;
    const replay = await replayStep({ a, b, step, dataset, open, serialFlops, isShared });
    return { a: a.run, b: b.run, replay, verdict: replayVerdict([replay]) };
  } finally {
    dataset.close();
  }
}
