/** A run as plain lines: what goes into a log, through a pipe, and past a terminal above the panel. */
import type { SetupProgressEvent, StepEvent, TrainEvent } from '../train/events.js';
import { bytesText, counted, countText, durationText, lossText, percentText, secondsText } from '../ir/units.js';
import { printable } from './columns.js';
import { chartOf } from './plot/chart.js';
import { figureOf } from './plot/figure.js';
import { secondsLeft, type RunState } from './run_state.js';
import { summaryText } from './summary.js';
import { TextFlow } from './text_flow.js';

/** An event as one plain line, null for those that say nothing new. `width`: columns, for what is drawn or flows. */
export function plainLine(state: RunState, event: TrainEvent, width = 80): string | null {
  switch (event.kind) {
    case 'setup_finished':
      // What nobody waits for is no line.
      if (event.seconds < 0.05 && event.detail === undefined) return null;
      return `${event.part}: ${secondsText(event.seconds)}${event.detail ? ` (${event.detail})` : ''}`;
    case 'setup_progress':
      return state.isTold ? progressText(event) : null;
    case 'compiled':
      return (
        `compiled in ${secondsText(event.seconds)}: ${countText(event.parameters)} parameters, ${event.plan}, ` +
        `${counted(event.instructions, 'instruction')} a rank, ${bytesText(event.peakBytesPredicted)} predicted`
      );
    case 'started': {
      const length =
        event.steps !== null
          ? counted(event.steps, 'step')
          : event.minutes !== null
            ? counted(event.minutes, 'minute')
            : '';
      const from = event.resumedFrom !== null ? `, from step ${event.resumedFrom}` : '';
      return `run ${event.name}: ${counted(event.ranks, 'rank')}, ${event.engine} on ${event.device}, ${event.precision}, ${length}${from}`;
    }
    case 'length':
      return `${counted(event.steps, 'step')} in all`;
    case 'step':
      return state.isTold ? stepText(state, event) : null;
    case 'validation': {
      const bits = event.bitsPerByte === null ? '' : `, ${event.bitsPerByte.toFixed(3)} bits/byte`;
      return `step ${event.step}: validation loss ${lossText(event.loss)}${bits}`;
    }
    case 'checkpoint':
      return `step ${event.step}: saved ${event.path} (${bytesText(event.bytes)}, ${secondsText(event.seconds)})`;
    case 'warning':
      return `warning: ${event.message}`;
    case 'sample':
      return `sample\n${flowed(event.prompt + event.text, width)}`;
    case 'curve':
      return `loss of ${printable(event.curve.name)}\n${chartOf(figureOf([event.curve]), { width })}`;
    case 'summary':
      return summaryText(event.summary);
    case 'setup_started':
    case 'sample_text':
      return null;
  }
}

/** `data: reading: 41% of 12.3 MB (pages.jsonl)`. */
export function progressText({ part, done, total, unit, item }: SetupProgressEvent): string {
  const whole = unit === 'bytes' ? bytesText(total) : `${total} ${unit}`;
  return `${part}: ${percentText(total > 0 ? done / total : 0)} of ${whole}${item === undefined ? '' : ` (${printable(item)})`}`;
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

function flowed(text: string, width: number): string {
  const flow = new TextFlow(() => width);
  return (flow.push(text) + flow.end()).trimEnd();
}
