import { expect, test } from 'vitest';
import type { TrainEvent } from '../train/events.js';
import { trainEvents } from '../train/events.js';
import { attachPanel, plainLine, renderPanel } from './panel.js';
import { initialState, nextState, secondsLeft } from './run_state.js';
import { sparkline } from './sparkline.js';
import { eventsOfRun, summary } from './testing.js';

const stateAfter = (events: readonly TrainEvent[]) => events.reduce(nextState, initialState);
const drawn = (events: readonly TrainEvent[], width: number) =>
  renderPanel(stateAfter(events), { width, color: false });

test('the panel shows step, loss, validation loss, speed, memory and the time left', () => {
  expect(drawn(eventsOfRun(120), 100)).toBe(
    [
      '  step 120/750  ━━━━━━──────────────────────────────────  4:12 left',
      '  loss 5.1991 █▇▆▆▅▅▄▄▃▃▃▂▂▂▂▂▂▁▁▁▁▁▁▁   validation 5.4321   1.987 bits/byte   lr 3.0e-4',
      '  41.0 k tokens/s   400 ms a step   41% of matmul peak   512 MB a rank',
    ].join('\n'),
  );
});

test('a narrow terminal shows what matters most', () => {
  expect(drawn(eventsOfRun(120), 40)).toBe(
    [
      '  step 120/750  ━━─────────  4:12 left',
      '  loss 5.1991   validation 5.4321',
      '  41.0 k tokens/s   400 ms a step',
    ].join('\n'),
  );
});

test('no line is wider than the terminal, with or without colour', () => {
  for (let width = 0; width <= 130; width++) {
    for (const events of [0, 2, 3, 4, 5, 8, 60, 130].map((count) => eventsOfRun(125).slice(0, count))) {
      for (const line of drawn(events, width).split('\n')) expect([...line].length).toBeLessThanOrEqual(width);
      const colored = renderPanel(stateAfter(events), { width, color: true });
      // eslint-disable-next-line no-control-regex -- the escapes are what is tested
      expect(colored.replace(/\x1b\[\d*m/g, '')).toBe(drawn(events, width));
    }
  }
});

test('before the first step the panel says what is being waited for', () => {
  const events = eventsOfRun(1);
  expect(drawn(events.slice(0, 1), 60)).toBe('  … tokenizer: training on 8.1 MB');
  expect(drawn(events.slice(0, 4), 60)).toBe('  … first step');
});

test('until ten steps are timed, the minutes of the run tell the time left', () => {
  expect(secondsLeft(stateAfter(eventsOfRun(6)))).toBeCloseTo(300 - 2, 6);
  expect(drawn(eventsOfRun(6), 100)).toContain('step 6  ');
  expect(secondsLeft(stateAfter(eventsOfRun(12)))).toBeCloseTo((750 - 12) * 0.4, 6);
  expect(secondsLeft(stateAfter(eventsOfRun(0)))).toBeNull();
});

test('the time of a step forgets a slow beginning', () => {
  const events = eventsOfRun(40).map((event) =>
    event.kind === 'step' && event.step <= 2 ? { ...event, stepSeconds: 8 } : event,
  );
  expect(stateAfter(events).stepSeconds).toBeLessThan(0.8);
});

test('plain lines tell the run', () => {
  const events = eventsOfRun(100);
  const lines = events.flatMap((event, k) => plainLine(stateAfter(events.slice(0, k + 1)), event, 50) ?? []);
  expect(lines).toEqual([
    'tokenizer: 2.00 s (8192 tokens)',
    'compiled in 340 ms: 14.0 M parameters, data 2 × tensor 1, 812 instructions a rank, 405 MB predicted',
    'run demo: 2 ranks, native on cpu, bf16, 5 minutes',
    'step 1: loss 8.9012, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 5:00 left',
    'step 2: loss 8.8049, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 5:00 left',
    'step 3: loss 8.7110, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 4:59 left',
    '750 steps in all',
    'step 50/750: loss 6.1460, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 4:40 left',
    'step 50: validation loss 5.4321, 1.987 bits/byte',
    'step 100/750: loss 5.3283, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 4:20 left',
    'step 100: validation loss 5.4321, 1.987 bits/byte',
    'step 100: saved runs/demo/checkpoints/step-000100 (168 MB, 510 ms)',
  ]);
});

/** A stream that keeps what was written. */
function bufferStream(isTTY: boolean) {
  const written: string[] = [];
  return { stream: { isTTY, columns: 80, write: (text: string) => written.push(text) }, written };
}

/** What stands on a terminal after this text: it knows line breaks, moves up, and clearing. */
function screenAfter(text: string): string {
  let lines = [''];
  let row = 0;
  // eslint-disable-next-line no-control-regex -- the escapes of a terminal
  for (const [token, up, plain] of text.matchAll(/\x1b\[(\d+)A|\x1b\[J|\x1b\[\d*m|\r|\n|([^\x1b\r\n]+)/g)) {
    if (up) row -= Number(up);
    else if (token === '\x1b[J') lines = [...lines.slice(0, row), ''];
    else if (token === '\n') lines[++row] ??= '';
    else if (plain) lines[row] += plain;
  }
  return lines.join('\n');
}

test('on a terminal the panel is drawn over itself, and what is told scrolls above it', () => {
  const { stream, written } = bufferStream(true);
  let now = 0;
  const events = trainEvents(() => now);
  const detach = attachPanel(events, { stream, environment: {} });
  for (const { at, ...body } of eventsOfRun(120)) {
    now = at;
    events.emit(body);
  }
  detach();
  expect(screenAfter(written.join(''))).toBe(
    [
      'tokenizer: 2.00 s (8192 tokens)',
      'compiled in 340 ms: 14.0 M parameters, data 2 × tensor 1, 812 instructions a rank, 405 MB predicted',
      'run demo: 2 ranks, native on cpu, bf16, 5 minutes',
      '750 steps in all',
      'step 100: saved runs/demo/checkpoints/step-000100 (168 MB, 510 ms)',
      drawn(eventsOfRun(120), 80),
      '',
    ].join('\n'),
  );
});

test.each([
  ['a pipe', false, {}],
  ['NO_COLOR', true, { NO_COLOR: '1' }],
  ['a dumb terminal', true, { TERM: 'dumb' }],
])('with %s there are plain lines and no escapes', (_, isTTY, environment) => {
  const { stream, written } = bufferStream(isTTY);
  const events = trainEvents(() => 0);
  const detach = attachPanel(events, { stream, environment });
  for (const body of eventsOfRun(20)) events.emit(body);
  events.emit({ kind: 'sample', step: 20, prompt: 'const a', text: ' = \x1b[31m1;\nconst b' });
  events.emit({ kind: 'summary', summary });
  detach();
  events.emit({ kind: 'warning', code: 'x', message: 'told to nobody' });
  const text = written.join('');
  expect(text).not.toContain('\x1b');
  expect(text).not.toContain('nobody');
  expect(text).toContain('sample\n  const a = ·[31m1;\n  const b\nsummary of demo\n');
});

test('a sparkline falls as its values do', () => {
  expect(sparkline([7, 6, 5, 4, 3, 2, 1, 0], 8)).toBe('█▇▆▅▄▃▂▁');
  expect(sparkline([1, 1, NaN, 1], 10)).toBe('▁▁▁');
  expect(sparkline([], 10)).toBe('');
  expect(
    sparkline(
      Array.from({ length: 1000 }, (_, k) => k),
      4,
    ),
  ).toBe('▁▃▆█');
});
