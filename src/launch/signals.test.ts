import { expect, test } from 'vitest';
import { stopSignals, StopSignals, type StopSignal } from './signals.js';

/** Signals that the test sends, at times that it says, and notes of what came of them. */
function bench() {
  const notes: string[] = [];
  const listeners = new Map<StopSignal, (signal: StopSignal) => void>();
  let now = 0;
  const source = {
    on: (signal: StopSignal, listener: (signal: StopSignal) => void) => listeners.set(signal, listener),
    off: (signal: StopSignal) => listeners.delete(signal),
  };
  const signals = new StopSignals(
    source,
    () => now,
    (signal) => notes.push(`ended by ${signal}`),
  );
  const send = (signal: StopSignal, at: number) => {
    now = at;
    listeners.get(signal)?.(signal);
  };
  const handler = (name: string) => ({
    asked: (signal: StopSignal) => void notes.push(`${name}: ${signal}`),
    hurried: (signal: StopSignal) => void notes.push(`${name} hurried: ${signal}`),
  });
  return { notes, listeners, signals, send, handler };
}

test('a signal that nobody has taken ends the process', () => {
  const { notes, signals, send } = bench();
  signals.listen();
  for (const signal of stopSignals) send(signal, 0);
  expect(notes).toEqual(stopSignals.map((signal) => `ended by ${signal}`));
});

test('whoever took signals last gets them, and those before it once it is done', () => {
  const { notes, listeners, signals, send, handler } = bench();
  const first = signals.take(handler('first'));
  const second = signals.take(handler('second'));
  send('SIGTERM', 0);
  second();
  send('SIGHUP', 1);
  first();
  expect(notes).toEqual(['second: SIGTERM', 'first: SIGHUP']);
  expect(listeners.size).toBe(0);
});

test('the same Ctrl-C passed on by several processes is one; a second one ends the wait; other signals never do', () => {
  const { notes, signals, send, handler } = bench();
  signals.take(handler('run'));
  send('SIGUSR1', 0);
  send('SIGTERM', 60_000);
  send('SIGINT', 100_000);
  send('SIGINT', 100_030);
  send('SIGTERM', 109_000);
  send('SIGINT', 110_000);
  expect(notes).toEqual([
    'run: SIGUSR1',
    'run: SIGTERM',
    'run: SIGINT',
    'run: SIGINT',
    'run: SIGTERM',
    'run hurried: SIGINT',
  ]);
});

test('without a word on hurry, a second Ctrl-C ends the process', () => {
  const { notes, signals, send } = bench();
  signals.take({ asked: () => {} });
  send('SIGINT', 0);
  send('SIGINT', 1500);
  expect(notes).toEqual(['ended by SIGINT']);
});
