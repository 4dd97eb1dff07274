/** A run as far as its events have told: what the panel draws and the summary is written from. */
import type { SetupProgressEvent, StartedEvent, StepEvent, TrainEvent, ValidationEvent } from '../train/events.js';

export interface RunState {
  /** The part of the set-up under way, null when none is, and how far it is where it tells. */
  readonly setup: string | null;
  readonly progress: SetupProgressEvent | null;
  readonly started: StartedEvent | null;
  /** Length of the run; null until it is known. */
  readonly steps: number | null;
  readonly last: StepEvent | null;
  /** The last few, the newest last. */
  readonly validations: readonly ValidationEvent[];
  /** Training losses, thinned so that they stay at most `maxLosses`, evenly spread. */
  readonly losses: readonly number[];
  /** Steps between two of `losses`. */
  readonly lossStride: number;
  /** A moving mean of the time of a step, the first few left out: they are slower. */
  readonly stepSeconds: number | null;
  /** The step and time of the first step's end, from which `--minutes` is read before the length is known. */
  readonly firstStep: { readonly step: number; readonly at: number } | null;
  /** Whether the last step, or progress of the set-up, is one that plain lines tell, and when they told one last. */
  readonly isTold: boolean;
  readonly toldAt: number;
  readonly at: number;
}

export const initialState: RunState = {
  setup: null,
  progress: null,
  started: null,
  steps: null,
  last: null,
  validations: [],
  losses: [],
  lossStride: 1,
  stepSeconds: null,
  firstStep: null,
  isTold: false,
  toldAt: -Infinity,
  at: 0,
};

const maxLosses = 240;
const keptValidations = 8;
/** A step's weight in the moving mean: about the last twenty count. */
const newest = 0.05;

export function nextState(state: RunState, event: TrainEvent): RunState {
  const now = { ...state, at: event.at };
  switch (event.kind) {
    case 'setup_started':
      return { ...now, setup: event.part, progress: null, toldAt: event.at };
    case 'setup_progress': {
      const isTold = (event.at - state.toldAt) / 1000 >= toldEvery(0);
      return { ...now, progress: event, isTold, toldAt: isTold ? event.at : state.toldAt };
    }
    case 'setup_finished':
      return { ...now, setup: null, progress: null };
    case 'started':
      return { ...now, started: event, steps: event.steps, setup: null, progress: null, toldAt: -Infinity };
    case 'length':
      return { ...now, steps: event.steps };
    case 'step':
      return {
        ...now,
        ...withLoss(state, event),
        ...withTold(state, event),
        last: event,
        firstStep: state.firstStep ?? { step: event.step, at: event.at },
        stepSeconds: meanStepSeconds(state, event),
      };
    case 'validation':
      return { ...now, validations: [...state.validations, event].slice(-keptValidations) };
    default:
      return now;
  }
}

/** Seconds until the run ends, null while that cannot be said. */
export function secondsLeft({ started, steps, last, stepSeconds, firstStep, at }: RunState): number | null {
  if (!started || !last || stepSeconds === null) return null;
  if (steps !== null) return (steps - last.step) * stepSeconds;
  if (started.minutes === null || !firstStep) return null;
  return Math.max(0, started.minutes * 60 - (at - firstStep.at) / 1000);
}

function withLoss(state: RunState, { step, loss }: StepEvent): Pick<RunState, 'losses' | 'lossStride'> {
  const { losses, lossStride } = state;
  if (step % lossStride !== 0) return { losses, lossStride };
  const longer = [...losses, loss];
  if (longer.length <= maxLosses) return { losses: longer, lossStride };
  return { losses: longer.filter((_, k) => k % 2 === 1), lossStride: 2 * lossStride };
}

/** Seconds between two steps, or two words on the progress of the set-up, that plain lines tell: ten, and more the longer the run has lasted, so that a log of days can be read. */
const toldEvery = (elapsedSeconds: number): number => Math.max(10, elapsedSeconds / 50);

function withTold(state: RunState, { step, at }: TrainEvent & StepEvent): Pick<RunState, 'isTold' | 'toldAt'> {
  const { firstStep, steps, toldAt } = state;
  const isFirst = firstStep === null || step < firstStep.step + 3;
  const isDue = (at - toldAt) / 1000 >= toldEvery((at - (firstStep?.at ?? at)) / 1000);
  const isTold = isFirst || isDue || step === steps;
  return { isTold, toldAt: isTold ? at : toldAt };
}

function meanStepSeconds({ stepSeconds, firstStep }: RunState, event: StepEvent): number {
  const done = firstStep ? event.step - firstStep.step : 0;
  // Until there are enough for a moving mean, the newest counts half: the first steps are no measure.
  const weight = Math.max(newest, 1 / (done + 1), done < 3 ? 0.5 : 0);
  return stepSeconds === null ? event.stepSeconds : stepSeconds + weight * (event.stepSeconds - stepSeconds);
}
