/**
 * Shows a run on a stream: on a terminal as a panel that is drawn again in place, with what is told once above it; elsewhere as plain lines.
 *
 * After each drawing the cursor rests on the blank line above the panel. A terminal that is made narrower wraps the lines below it, or cuts
 * them off, as it likes; either way they lie below the cursor, and are cleared from there. So they are before another part of the program
 * writes to the same terminal, and before the program ends.
 */
import type { TrainEvent, TrainEvents } from '../train/events.js';
import { renderPanel } from './panel.js';
import { plainLine } from './plain_lines.js';
import { initialState, nextState } from './run_state.js';
import { broken, TextFlow } from './text_flow.js';

/** Where a run is shown: a terminal, a pipe, or a test's buffer. */
export interface PanelStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** Calls `listener` when the terminal has got another size, until the function it returns is called. */
  onResize?(listener: () => void): () => void;
  /** Shows `aside` whatever else is written to the terminal, until the function it returns is called. */
  onOthers?(aside: Aside): () => void;
  /** Calls `listener` when the program ends without more ado, until the function it returns is called. */
  onEnd?(listener: () => void): () => void;
}

/** Is given what another part of the program writes to the same terminal; `write` writes it. */
export type Aside = (text: string, write: () => void) => void;

export interface PanelOptions {
  readonly stream: PanelStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Shows a run's events until the function it returns is called, which leaves the last state standing. */
export function attachPanel(events: TrainEvents, { stream, environment }: PanelOptions): () => void {
  const isLive = stream.isTTY === true && environment.TERM !== 'dumb';
  return isLive ? attachLive(events, stream, isColored(environment)) : attachPlain(events, stream);
}

/** NO_COLOR asks for text without colours (no-color.org): the panel stays. */
const isColored = ({ NO_COLOR: none }: PanelOptions['environment']): boolean => none === undefined || none === '';

function attachPlain(events: TrainEvents, stream: PanelStream): () => void {
  let state = initialState;
  return events.subscribe((event) => {
    state = nextState(state, event);
    const line = plainLine(state, event);
    if (line !== null) stream.write(`${line}\n`);
  });
}

const minRedrawMilliseconds = 100;

/** Of a terminal that does not say how wide it is. */
const usualColumns = 80;

function attachLive(events: TrainEvents, stream: PanelStream, color: boolean): () => void {
  let state = initialState;
  let isDrawn = false;
  /** Whether another part of the program has left a line without its end. */
  let isOpen = false;
  let drawnAt = -Infinity;
  let flow: TextFlow | null = null;
  const width = () => stream.columns ?? usualColumns;

  const clear = (): string => {
    // A terminal may drop what it has not shown yet when Ctrl-C is pressed, and with it the end of a panel: lines are wrapped again.
    const before = isOpen ? '\n' : isDrawn ? '\x1b[?7h\r\x1b[J' : '';
    isOpen = false;
    return before;
  };
  const draw = (at: number) => {
    const panel = visibleLines(renderPanel(state, { width: width(), color }), stream.rows);
    stream.write(clear() + (panel.length > 0 ? inPlace(panel) : ''));
    [isDrawn, drawnAt] = [panel.length > 0, at];
  };
  const above = (text: string) => {
    stream.write(clear() + text);
    isDrawn = false;
  };
  const endFlow = (): string => {
    const rest = flow?.end() ?? '';
    flow = null;
    return rest;
  };
  const aside: Aside = (text, write) => {
    if (isDrawn) stream.write(clear());
    else if (flow !== null) stream.write(flow.end());
    write();
    const redraws = isDrawn;
    isDrawn = false;
    isOpen = text === '' ? isOpen : !text.endsWith('\n');
    if (redraws && !isOpen) draw(state.at);
  };
  const show = (event: TrainEvent) => {
    if (event.kind === 'sample_text') {
      const heading = flow === null ? 'sample\n' : '';
      flow ??= new TextFlow(width);
      return above(heading + flow.push(event.text));
    }
    // It has been told as it came.
    if (event.kind === 'sample' && flow !== null) return above(endFlow());
    // What the panel itself shows is not told again; the rest scrolls by above it.
    const line = event.kind === 'step' || event.kind === 'validation' ? null : plainLine(state, event, width());
    if (line !== null) above(`${endFlow()}${broken(line, width())}\n`);
    if (isLast(event) || flow !== null) return;
    if (line !== null || event.kind !== 'step' || event.at - drawnAt >= minRedrawMilliseconds) draw(event.at);
  };

  const unsubscribe = events.subscribe((event) => {
    state = nextState(state, event);
    show(event);
  });
  const forgetResize = stream.onResize?.(() => isDrawn && draw(state.at));
  const forgetOthers = stream.onOthers?.(aside);
  const leave = () => {
    unsubscribe();
    forgetResize?.();
    forgetOthers?.();
    forgetEnd?.();
    if (flow !== null) above(endFlow());
    if (!isDrawn) return;
    // What was under way is so no longer.
    const panel = state.setup === null ? `${renderPanel(state, { width: width(), color })}\n` : '';
    above(panel);
  };
  const forgetEnd = stream.onEnd?.(leave);
  return leave;
}

/** What follows the last step: the panel has nothing more to say. */
const isLast = ({ kind }: TrainEvent): boolean => kind === 'sample' || kind === 'curve' || kind === 'summary';

/** As many lines as fit below the blank one: a terminal of few rows would scroll them away. */
function visibleLines(panel: string, rows = Infinity): readonly string[] {
  return panel === '' ? [] : panel.split('\n').slice(0, Math.max(1, rows - 1));
}

/** A blank line and these below it, none of them wrapped; the cursor goes back to the blank one. */
const inPlace = (lines: readonly string[]): string => `\x1b[?7l\n${lines.join('\n')}\x1b[?7h\r\x1b[${lines.length}A`;
