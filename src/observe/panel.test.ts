import { expect, test } from 'vitest';
import type { TrainEvent } from '../train/events.js';
import { renderPanel } from './panel.js';
import { plainLine } from './plain_lines.js';
import { initialState, nextState, secondsLeft } from './run_state.js';
import { sparkline } from './sparkline.js';
import { eventsOfRun } from './testing.js';

const stateAfter = (events: readonly TrainEvent[]) => events.reduce(nextState, initialState);
const drawn = (events: readonly TrainEvent[], width: number) =>
  renderPanel(stateAfter(events), { width, color: false });

test('the panel shows step, loss, validation loss, speed, memory and the time left', () => {
  expect(drawn(eventsOfRun(120), 100)).toBe(
    [
      '  step 120/750  ━━━━━━──────────────────────────────────  4:12 left',
      '  loss 5.1991 █▇▇▆▆▅▅▄▄▄▃▃▃▃▃▂▂▂▂▂▂▂▂▁▁▁▁▁▁▁▁▁   lr 3.0e-4   grad norm 1.23',
      '  validation 5.4321 at step 100   1.987 bits/byte   before: 5.4321 (50)',
      '  41.0 k tokens/s   400 ms a step   41% of matmul peak   512 MB a rank',
    ].join('\n'),
  );
});

test('a narrow terminal shows what matters most', () => {
  expect(drawn(eventsOfRun(120), 40)).toBe(
    [
      '  step 120/750  ━━─────────  4:12 left',
      '  loss 5.1991   lr 3.0e-4',
      '  validation 5.4321 at step 100',
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
  const lines = events.flatMap((event, k) => plainLine(stateAfter(events.slice(0, k + 1)), event) ?? []);
  expect(lines).toEqual([
    'tokenizer: 2.00 s (8192 tokens)',
    'compiled in 340 ms: 14.0 M parameters, data 2, 812 instructions a rank, 405 MB predicted',
    'run demo: 2 ranks, native on cpu, bf16, 5 minutes',
    'step 1: loss 8.9012, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 5:00 left',
    'step 2: loss 8.8049, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 5:00 left',
    'step 3: loss 8.7110, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 4:59 left',
    '750 steps in all',
    'step 28/750: loss 6.9863, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 4:49 left',
    'step 50: validation loss 5.4321, 1.987 bits/byte',
    'step 53/750: loss 6.0632, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 4:39 left',
    'step 78/750: loss 5.5691, 41.0 k tokens/s, 400 ms a step, 41% of matmul peak, 512 MB a rank, 4:29 left',
    'step 100: validation loss 5.4321, 1.987 bits/byte',
    'step 100: saved runs/demo/checkpoints/step-000100 (168 MB, 510 ms)',
  ]);
});

test('a log of days has some hundred lines, and its last step', () => {
  const steps = 200_000;
  const [setup] = eventsOfRun(1).slice(0, 1);
  let state = nextState(initialState, { ...setup, kind: 'length', steps });
  const step = eventsOfRun(1).at(-1)!;
  let [told, last] = [0, 0];
  for (let k = 1; k <= steps; k++) {
    state = nextState(state, { ...step, step: k, at: 1000 * k } as TrainEvent);
    if (state.isTold) [told, last] = [told + 1, k];
  }
  expect(told).toBeGreaterThan(100);
  expect(told).toBeLessThan(500);
  expect(last).toBe(steps);
});

test('validations are kept, the newest first, as many as there is room for', () => {
  const events = eventsOfRun(125).flatMap((event): TrainEvent[] =>
    event.kind === 'step' && event.step % 25 === 0
      ? [event, { kind: 'validation', step: event.step, loss: 9 - event.step / 50, bitsPerByte: null, at: event.at }]
      : event.kind === 'validation'
        ? []
        : [event],
  );
  expect(drawn(events, 80).split('\n')[2]).toBe('  validation 6.5000 at step 125   before: 7.0000 (100)   7.5000 (75)');
  expect(drawn(events, 140).split('\n')[2]).toBe(
    '  validation 6.5000 at step 125   before: 7.0000 (100)   7.5000 (75)   8.0000 (50)   8.5000 (25)',
  );
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
