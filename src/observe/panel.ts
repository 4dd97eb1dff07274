/**
 * The live panel: what a person sees while a run trains.
 *
 * On a terminal it is a few lines drawn again in place; elsewhere, or with NO_COLOR set, one plain line now and then. `renderPanel` and
 * `plainLine` are pure; `attachPanel` is the only part that writes.
 */
import type { StepEvent, TrainEvent, TrainEvents } from '../train/events.js';
import type { RunState } from './run_state.js';
import { initialState, nextState, secondsLeft } from './run_state.js';
import { sparkline } from './sparkline.js';
import { summaryText } from './summary.js';
import { bytesText, countText, durationText, lossText, percentText, secondsText } from '../ir/units.js';

export interface RenderOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly color: boolean;
}

/** The panel as lines no wider than `width`, without a line break at the end. Empty before there is anything to show. */
export function renderPanel(state: RunState, options: RenderOptions): string {
  const paint = painter(options.color);
  if (state.setup !== null) return clip(`  ${paint.dim('…')} ${state.setup}`, options.width);
  if (!state.last) return state.started ? clip(`  ${paint.dim('…')} first step`, options.width) : '';
  const lines = [
    progressLine(state, options),
    lossLine(state, state.last, options),
    speedLine(state, state.last, options),
  ];
  return lines.join('\n');
}

/** An event as one plain line, null for those that say nothing new. Steps are told every `everySteps` and the first three. */
export function plainLine(state: RunState, event: TrainEvent, everySteps: number): string | null {
  switch (event.kind) {
    case 'setup_finished':
      return `${event.part}: ${secondsText(event.seconds)}${event.detail ? ` (${event.detail})` : ''}`;
    case 'compiled':
      return (
        `compiled in ${secondsText(event.seconds)}: ${countText(event.parameters)} parameters, ${event.plan}, ` +
        `${event.instructions} instructions a rank, ${bytesText(event.peakBytesPredicted)} predicted`
      );
    case 'started': {
      const length =
        event.steps !== null ? `${event.steps} steps` : event.minutes !== null ? `${event.minutes} minutes` : '';
      const from = event.resumedFrom !== null ? `, from step ${event.resumedFrom}` : '';
      const ranks = `${event.ranks} ${event.ranks === 1 ? 'rank' : 'ranks'}`;
      return `run ${event.name}: ${ranks}, ${event.engine} on ${event.device}, ${event.precision}, ${length}${from}`;
    }
    case 'length':
      return `${event.steps} steps in all`;
    case 'step': {
      const done = event.step - (state.firstStep?.step ?? event.step);
      const told = done < 3 || event.step % everySteps === 0 || event.step === state.steps;
      return told ? stepText(state, event) : null;
    }
    case 'validation': {
      const bits = event.bitsPerByte === null ? '' : `, ${event.bitsPerByte.toFixed(3)} bits/byte`;
      return `step ${event.step}: validation loss ${lossText(event.loss)}${bits}`;
    }
    case 'checkpoint':
      return `step ${event.step}: saved ${event.path} (${bytesText(event.bytes)}, ${secondsText(event.seconds)})`;
    case 'warning':
      return `warning: ${event.message}`;
    case 'sample':
      return `sample\n${indent(printable(event.prompt + event.text))}`;
    case 'summary':
      return summaryText(event.summary);
    case 'setup_started':
      return null;
  }
}

/** Where the panel is drawn: a terminal, a pipe, or a test's buffer. */
export interface PanelStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface PanelOptions {
  readonly stream: PanelStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Steps between two plain lines. Default 10. */
  readonly everySteps?: number;
}

/** Shows a run's events on a stream until the function it returns is called, which leaves the last state standing. */
export function attachPanel(events: TrainEvents, { stream, environment, everySteps = 10 }: PanelOptions): () => void {
  // NO_COLOR asks for text without escapes (no-color.org); a panel drawn in place is made of them.
  const live = stream.isTTY === true && !environment.NO_COLOR && environment.TERM !== 'dumb';
  let state = initialState;
  let drawn = '';
  let drawnAt = -Infinity;

  const draw = (at: number) => {
    const panel = renderPanel(state, { width: stream.columns ?? 80, color: true });
    stream.write(erase(drawn) + panel);
    [drawn, drawnAt] = [panel, at];
  };
  const unsubscribe = events.subscribe((event) => {
    state = nextState(state, event);
    if (!live) {
      const line = plainLine(state, event, everySteps);
      if (line !== null) stream.write(`${line}\n`);
      return;
    }
    // What the panel itself shows is not told again; the rest scrolls by above it.
    const line = event.kind === 'step' || event.kind === 'validation' ? null : plainLine(state, event, everySteps);
    if (line !== null) {
      stream.write(`${erase(drawn)}${line}\n`);
      drawn = '';
      if (event.kind !== 'summary' && event.kind !== 'sample') draw(event.at);
    } else if (event.kind !== 'step' || event.at - drawnAt >= minRedrawMilliseconds) draw(event.at);
  });
  return () => {
    unsubscribe();
    if (!live || drawn === '') return;
    draw(state.at);
    stream.write('\n');
  };
}

const minRedrawMilliseconds = 100;

/** Moves to the start of what was drawn and clears to the end of the screen. */
function erase(drawn: string): string {
  const lines = drawn.split('\n').length - 1;
  return drawn === '' ? '' : `\r${lines > 0 ? `\x1b[${lines}A` : ''}\x1b[J`;
}

function progressLine(state: RunState, { width, color }: RenderOptions): string {
  const paint = painter(color);
  const { step } = state.last!;
  const left = secondsLeft(state);
  const count = state.steps === null ? `step ${step}` : `step ${step}/${state.steps}`;
  const tail = left === null ? '' : `${durationText(left)} left`;
  const minutes = state.started?.minutes ?? null;
  const elapsed = state.firstStep ? (state.at - state.firstStep.at) / 60e3 : 0;
  const share = state.steps !== null ? step / state.steps : minutes !== null ? elapsed / minutes : 0;
  const room = Math.min(40, width - count.length - tail.length - 8);
  const line = `  ${paint.bold(count)}  ${room >= 8 ? `${bar(share, room, color)}  ` : ''}${tail}`;
  return clip(line.trimEnd(), width);
}

function lossLine(state: RunState, last: StepEvent, { width, color }: RenderOptions): string {
  const paint = painter(color);
  const fields = [`  loss ${paint.bold(lossText(last.loss))}`];
  const columns = Math.min(24, width - 50);
  if (columns >= 8) fields[0] += ` ${paint.cyan(sparkline(state.losses, columns))}`;
  if (state.validation) {
    const bits = state.validation.bitsPerByte;
    fields.push(`validation ${paint.bold(lossText(state.validation.loss))}`);
    if (bits !== null) fields.push(`${bits.toFixed(3)} bits/byte`);
  }
  fields.push(`lr ${last.lr.toExponential(1)}`, `grad norm ${last.gradNorm.toPrecision(3)}`);
  return fitted(fields, width);
}

function speedLine(state: RunState, last: StepEvent, { width }: RenderOptions): string {
  const seconds = state.stepSeconds ?? last.stepSeconds;
  const tokensPerSecond = state.started ? state.started.tokensPerStep / seconds : last.tokensPerSecond;
  const fields = [`  ${countText(tokensPerSecond)} tokens/s`, `${secondsText(seconds)} a step`];
  if (last.peakShare !== null) fields.push(`${percentText(last.peakShare)} of matmul peak`);
  if (last.memoryBytes !== null) fields.push(`${bytesText(last.memoryBytes)} a rank`);
  return fitted(fields, width);
}

function stepText(state: RunState, { step, loss, ...event }: StepEvent): string {
  const left = secondsLeft(state);
  const fields = [
    `step ${state.steps === null ? step : `${step}/${state.steps}`}: loss ${lossText(loss)}`,
    `${countText(event.tokensPerSecond)} tokens/s`,
    `${secondsText(event.stepSeconds)} a step`,
  ];
  if (event.peakShare !== null) fields.push(`${percentText(event.peakShare)} of matmul peak`);
  if (event.memoryBytes !== null) fields.push(`${bytesText(event.memoryBytes)} a rank`);
  if (left !== null) fields.push(`${durationText(left)} left`);
  return fields.join(', ');
}

/** Generated text may hold anything: what would move the cursor is shown as a dot. */
// eslint-disable-next-line no-control-regex -- what is to be replaced
const printable = (text: string): string => text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '·');

const indent = (text: string): string => text.replace(/^/gm, '  ');

function bar(share: number, width: number, color: boolean): string {
  const paint = painter(color);
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return paint.cyan('━'.repeat(full)) + paint.dim('─'.repeat(width - full));
}

/** As many fields as fit, the first ones first. */
function fitted(fields: readonly string[], width: number): string {
  const [first, ...rest] = fields;
  let line = first;
  for (const field of rest) {
    const longer = `${line}   ${field}`;
    if (visibleWidth(longer) > width) break;
    line = longer;
  }
  return clip(line, width);
}

// A line wider than the terminal wraps, and a panel drawn over would no longer cover what it drew.
function clip(line: string, width: number): string {
  if (visibleWidth(line) <= width) return line;
  return [...stripEscapes(line)].slice(0, Math.max(0, width)).join('');
}

const visibleWidth = (line: string): number => [...stripEscapes(line)].length;

// eslint-disable-next-line no-control-regex -- the escapes that painter() writes
const stripEscapes = (line: string): string => line.replace(/\x1b\[\d*m/g, '');

function painter(color: boolean) {
  const escape = (code: number) => (text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text);
  return { bold: escape(1), dim: escape(2), cyan: escape(36) };
}
