/**
 * Where two runs part. What they were given is held against each other first, by its digests: data, seed, state; then the first step is found
 * that came to something else, and done again from the first run's state under both plans and serially, which names the value.
 */
import type { ModelChoice } from '../config/own_model.js';
import { pathsTold } from '../run/paths_told.js';
import { askedDifferences, isCause } from './asked.js';
import type {
  Comparison,
  DataFinding,
  ReplayFinding,
  ReplayVerdict,
  StateFinding,
  StepsFinding,
  Verdict,
} from './comparison.js';
import { noSharedSteps } from './diagnostics.js';
import { firstOtherData, firstOtherState, firstOtherStep, sharedSteps, type StateAt } from './first_differences.js';
import { otherData } from './other_data.js';
import { digestsOf, openSide, requireOneModel, type Side } from './side.js';
import { openRunData } from '../train/prepare_run.js';
import { openEngines, type OpenEngines } from './replay/engines.js';
import { replayStep, usualSerialFlops, type StepReplay } from './replay/replay_step.js';
import { savedHashes } from './saved_state.js';

export interface CompareOptions extends ModelChoice {
  /** The step that is taken again, from 1. Absent: the first that differs, and where rounding explains that, the first that departs. */
  readonly step?: number;
  /** Operations of a serial step that is computed here, in JavaScript, and not natively. Default: {@link usualSerialFlops}. */
  readonly serialFlops?: number;
  /** Opens the engines on which steps are taken again. Default: those of each run, on this machine. */
  readonly open?: OpenEngines;
}

/** Throws `run/…`, `compare/…`, `config/…`, `checkpoint/…`. */
export const compareRuns = (a: string, b: string, options: CompareOptions = {}): Promise<Comparison> =>
  pathsTold(() => compared(a, b, options));

async function compared(
  pathA: string,
  pathB: string,
  { step, open = openEngines, serialFlops = usualSerialFlops, ...choice }: CompareOptions,
): Promise<Comparison> {
  const a = await openSide(pathA, choice);
  const b = await openSide(pathB, choice);
  requireOneModel(a, b);
  const digests = [digestsOf(a), digestsOf(b)] as const;
  const shared = sharedSteps(...digests);
  if (shared.length === 0) throw noSharedSteps({ paths: [pathA, pathB], steps: [rangeOf(a), rangeOf(b)] });

  const other = firstOtherData(shared);
  const data: DataFinding = other ? otherData([a, b], other) : { kind: 'same' };
  const steps = firstOtherStep(shared);
  const equalUntil = steps.kind === 'same' ? steps.last : (steps.before ?? 0);
  const state = await otherState(a, b, digests, equalUntil);
  const seeds = [a.resolved.config.seed, b.resolved.config.seed] as const;
  const asked = askedDifferences(a, b);
  const given = givenVerdict({ data, seeds, state, steps, causes: asked.filter(isCause).length });
  const wanted = step !== undefined ? [step] : given === null ? suspects(shared, steps, a) : [];
  const replays = await replayed(a, b, wanted, { open, serialFlops, equalUntil });
  return { a: a.run, b: b.run, asked, data, seeds, state, steps, replays, verdict: given ?? replayVerdict(replays) };
}

/** Steps to take again, until one of them has a value that is off: the first that differs, and the first that departs. */
function suspects(
  shared: ReturnType<typeof sharedSteps>,
  steps: StepsFinding,
  { resolved: { config } }: Side,
): readonly number[] {
  if (steps.kind === 'same') return [];
  const tolerance = departure[config.precision];
  const departs = shared.find(([{ loss: one }, { loss: other }]) => {
    if (one === null || other === null) return one !== other;
    return Math.abs(one - other) > tolerance * Math.abs(one);
  });
  return [...new Set([steps.step, ...(departs ? [departs[0].step] : [])])];
}

/** From where on losses differ, relative to each other, by more than runs of one model do that round otherwise. */
const departure = { f64: 1e-9, f32: 1e-3, bf16: 2e-2 } as const;

async function replayed(
  a: Side,
  b: Side,
  steps: readonly number[],
  { open, serialFlops, equalUntil }: Pick<StepReplay, 'open' | 'serialFlops'> & { readonly equalUntil: number },
): Promise<readonly ReplayFinding[]> {
  if (steps.length === 0) return [];
  const dataset = openRunData(a.record.data.folder, a.resolved.config, a.record.order.context);
  try {
    const replays: ReplayFinding[] = [];
    for (const step of steps) {
      replays.push(
        await replayStep({ a, b, step, dataset, open, serialFlops, isShared: () => equalUntil === step - 1 }),
      );
      if (replays.at(-1)!.off) break;
    }
    return replays;
  } finally {
    dataset.close();
  }
}

export function replayVerdict(replays: readonly ReplayFinding[]): ReplayVerdict {
  if (replays.some(({ off }) => off)) return 'value';
  return replays.some(({ unlike }) => unlike.length > 0) ? 'unrepeated' : 'rounding';
}

async function otherState(
  a: Side,
  b: Side,
  digests: Parameters<typeof firstOtherState>[0],
  before: number,
): Promise<StateFinding> {
  const starts = new Set(digests.flatMap(({ began }) => began.map(({ step }) => step)));
  const saved = await Promise.all(
    [a, b].map(async (side, i): Promise<StateAt> => {
      const known = new Map<number, ReadonlyMap<string, string> | null>();
      for (const step of starts) {
        if (step === 0 || digests[i].began.some((one) => one.step === step)) continue;
        const trained = digests[i].steps.find((one) => one.step === step)?.parameters ?? null;
        known.set(step, (await savedHashes(side, step)) ?? trained);
      }
      return (step) => known.get(step) ?? null;
    }),
  );
  return firstOtherState(digests, [saved[0], saved[1]], before);
}

/** In what the runs differ by what they were given; null where that is the same, and what came of it is not. */
function givenVerdict(found: {
  readonly data: DataFinding;
  readonly seeds: readonly [number, number];
  readonly state: StateFinding;
  readonly steps: StepsFinding;
  readonly causes: number;
}): Verdict | null {
  if (found.data.kind === 'differs') return 'data';
  if (found.seeds[0] !== found.seeds[1] && (found.state.kind === 'differs' || found.steps.kind === 'differs'))
    return 'seed';
  if (found.state.kind === 'differs') return 'state';
  if (found.steps.kind === 'same') return 'same';
  return found.causes > 0 ? 'options' : null;
}

const rangeOf = ({ digests }: Side): string => `steps ${digests!.steps[0].step} to ${digests!.steps.at(-1)!.step}`;
