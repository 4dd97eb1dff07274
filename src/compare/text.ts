/** A comparison as people read it: a line a thing that was held against the other, then where the runs part. */
import type {
  Comparison,
  ComparedRun,
  DataFinding,
  ReplayFinding,
  StateFinding,
  StepsFinding,
  ReplayVerdict,
} from './comparison.js';
import type { SerialComparison } from './compare_with_serial.js';
import { offText } from './replay/off_text.js';

/** Of a list so many are named. */
const mostNamed = 3;

/** Of a run and its own step on one rank. */
export const serialComparisonText = ({ a, b, replay, verdict }: SerialComparison): string =>
  rowsText([
    ['A', [`${a.what}: the run's step on one rank`]],
    ['B', [runText(b)]],
    ['replay', replayText(replay)],
    ['verdict', [replayVerdictText([replay], verdict)]],
  ]);

export function comparisonText(comparison: Comparison): string {
  const { a, b, asked, data, seeds, state, steps, replays } = comparison;
  const rows: (readonly [string, readonly string[]])[] = [
    ['A', [runText(a)]],
    ['B', [runText(b)]],
    ...(asked.length > 0
      ? [['asked', asked.map((one) => `${one.field} is ${one.a} in A, ${one.b} in B`)] as const]
      : []),
    ['data', dataText(data)],
    ['seed', [seeds[0] === seeds[1] ? 'the same' : `seed is ${seeds[0]} in A, ${seeds[1]} in B`]],
    ['state', [stateText(state)]],
    ['steps', stepsText(steps)],
    ...replays.map((replay) => ['replay', replayText(replay)] as const),
    ['verdict', [verdictText(comparison)]],
  ];
  return rowsText(rows);
}

const rowsText = (rows: readonly (readonly [string, readonly string[]])[]): string =>
  rows.flatMap(([name, lines]) => lines.map((line, i) => `${(i === 0 ? name : '').padEnd(9)}${line}`)).join('\n');

const runText = ({ path, what, lastStep, isGoing }: ComparedRun): string =>
  [
    path,
    what,
    lastStep === null ? 'no digests' : `digests to step ${lastStep}`,
    ...(isGoing ? ['still going'] : []),
  ].join(', ');

function dataText(data: DataFinding): readonly string[] {
  if (data.kind === 'same') return ['the same in all steps that both have done'];
  const { step, because, token } = data;
  const first = token
    ? `step ${step}, sample ${token.sample} of its batch, place ${token.place}: token ${token.a} in A, ${token.b} in B`
    : `step ${step} is the first that read something else; which sample cannot be said, since prepared data is gone`;
  return [first, ...because.slice(0, 2 * mostNamed)];
}

function stateText(state: StateFinding): string {
  if (state.kind === 'same') {
    if (state.at.length === 0) return 'nothing that both began from';
    return `the same before step ${state.at.map((step) => step + 1).join(', ')}`;
  }
  const { step, tensors, of } = state;
  return `before step ${step + 1} ${tensors.length} of ${of} tensors are not the same: ${listed(tensors)}`;
}

function stepsText(steps: StepsFinding): readonly string[] {
  if (steps.kind === 'same') return [`the same, bit for bit, to step ${steps.last}`];
  const { step, before, loss, gradientNorm, parameters, of } = steps;
  const same = before === null ? '' : `the same, bit for bit, to step ${before}; `;
  const pair = (name: string, [a, b]: readonly [number | null, number | null]) =>
    Object.is(a, b) ? `${name} the same` : `${name} ${a} in A, ${b} in B`;
  return [
    `${same}step ${step} is the first that differs: ${pair('loss', loss)}`,
    `${pair('gradient norm', gradientNorm)}; ${parameters.length} of ${of} parameters${parameters.length > 0 ? `: ${listed(parameters)}` : ''}`,
  ];
}

function replayText({ step, from, values, off, unlike }: ReplayFinding): readonly string[] {
  const head = `step ${step} again, from A's state (${from}), ${values} values held against the serial step`;
  return [
    head,
    ...(off ? offText(off) : ['no value is further from it than rounding takes it']),
    ...unlike.map((run) => `what ${run} came to here is not what its digest of the step says`),
  ];
}

function verdictText({ data, state, steps, replays, verdict }: Comparison): string {
  switch (verdict) {
    case 'same':
      return 'the runs are the same';
    case 'data':
      return `they read other data${data.kind === 'differs' ? ` from step ${data.step} on` : ''}`;
    case 'seed':
      return 'they have other seeds';
    case 'state':
      return state.kind === 'differs' && state.step > 0
        ? 'they went on from other states'
        : 'they began from other weights';
    case 'options':
      return `they were asked for something else, and step ${steps.kind === 'differs' ? steps.step : ''} is the first to show it`;
    default:
      return replayVerdictText(replays, verdict);
  }
}

function replayVerdictText(replays: readonly ReplayFinding[], verdict: ReplayVerdict): string {
  switch (verdict) {
    case 'value': {
      const { step, off } = replays.find((one) => one.off)!;
      return `${off!.run} is off in step ${step}, first in ${off!.name}`;
    }
    case 'unrepeated':
      return 'a step does not come about again: another version or machine took it, or one that failed';
    case 'rounding':
      return 'they differ by no more than the rounding of sums that are taken in another order';
  }
}

const listed = (names: readonly string[]): string =>
  names.length <= mostNamed
    ? names.join(', ')
    : `${names.slice(0, mostNamed).join(', ')} and ${names.length - mostNamed} more`;
