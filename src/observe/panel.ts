/**
 * The live panel: a few lines that a person sees on a terminal while a run trains. Pure; `attachPanel` draws them.
 */
import type { StepEvent } from '../train/events.js';
import { bytesText, countText, durationText, lossText, percentText, secondsText } from '../ir/units.js';
import { columnsOf, cutToColumns } from './columns.js';
import { progressText } from './plain_lines.js';
import { secondsLeft, type RunState } from './run_state.js';
import { sparkline } from './sparkline.js';

export interface RenderOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly color: boolean;
}

/** The panel as lines no wider than `width`, without a line break at the end. Empty before there is anything to show. */
export function renderPanel(state: RunState, options: RenderOptions): string {
  const paint = painter(options.color);
  if (state.setup !== null) {
    const text = state.progress === null ? state.setup : progressText(state.progress);
    return clip(`  ${paint.dim('…')} ${text}`, options.width);
  }
  if (!state.last) return state.started ? clip(`  ${paint.dim('…')} first step`, options.width) : '';
  const lines = [
    progressLine(state, options),
    lossLine(state, state.last, options),
    ...(state.validations.length > 0 ? [validationLine(state, options)] : []),
    speedLine(state, state.last, options),
  ];
  return lines.join('\n');
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
  const columns = Math.min(32, width - 48);
  if (columns >= 8) fields[0] += ` ${paint.cyan(sparkline(state.losses, columns))}`;
  fields.push(`lr ${last.lr.toExponential(1)}`, `grad norm ${last.gradNorm.toPrecision(3)}`);
  return fitted(fields, width);
}

/** The newest, and those before it as long as there is room. */
function validationLine({ validations }: RunState, { width, color }: RenderOptions): string {
  const paint = painter(color);
  const [{ step, loss, bitsPerByte }, ...before] = validations.toReversed();
  const fields = [`  validation ${paint.bold(lossText(loss))} at step ${step}`];
  if (bitsPerByte !== null) fields.push(`${bitsPerByte.toFixed(3)} bits/byte`);
  fields.push(...before.map((one, k) => `${k === 0 ? 'before: ' : ''}${lossText(one.loss)} (${one.step})`));
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
  return cutToColumns(stripEscapes(line), width).trimEnd();
}

const visibleWidth = (line: string): number => columnsOf(stripEscapes(line));

// eslint-disable-next-line no-control-regex -- the escapes that painter() writes
const stripEscapes = (line: string): string => line.replace(/\x1b\[\d*m/g, '');

function painter(color: boolean) {
  const escape = (code: number) => (text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text);
  return { bold: escape(1), dim: escape(2), cyan: escape(36) };
}
