/** What is shown of a step of set-up: a line that ticks in a terminal, now and then a line in a log. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { setupModule } from '../../src/engine/native/locate.js';

interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const { buildCounter, showStep } = await setupModule<{
  buildCounter(files: number): (line: string) => string | null;
  showStep(what: string, output: Output, env: object): { tell(text: string): void; end(how: string): void };
}>('progress.mjs');

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function output(more: Partial<Output> = {}): Output & { readonly texts: string[] } {
  const texts: string[] = [];
  return { texts, write: (text) => texts.push(text), ...more };
}

test('a log gets a line at the beginning, one every fifteen seconds and one at the end', () => {
  const log = output();
  const step = showStep('native engine', log, {});
  vi.advanceTimersByTime(14_000);
  step.tell('12 of 58 files');
  vi.advanceTimersByTime(20_000);
  step.end('done in');
  vi.advanceTimersByTime(60_000);
  expect(log.texts).toEqual([
    'set-up: native engine …\n',
    'set-up: native engine, 15 s: 12 of 58 files\n',
    'set-up: native engine, 30 s: 12 of 58 files\n',
    'set-up: native engine: done in 34.0 s\n',
  ]);
});

test('a terminal has one line that ticks, as wide as it is, and ends clean', () => {
  const terminal = output({ isTTY: true, columns: 40 });
  const step = showStep('native engine', terminal, {});
  step.tell('12 of 58 files, and more than fits');
  vi.advanceTimersByTime(1_000);
  expect(terminal.texts).toEqual([
    '\r\x1b[Kset-up: native engine, 0 s',
    ...['0', '1', '1', '1'].map((s) => expect.stringContaining(`native engine, ${s} s: 12 of`)),
  ]);
  for (const text of terminal.texts) expect(text.replace('\r\x1b[K', '').length).toBeLessThan(40);
  vi.advanceTimersByTime(79_000);
  step.end('done in');
  expect(terminal.texts.at(-2)).toBe('\r\x1b[K');
  expect(terminal.texts.at(-1)).toBe('set-up: native engine: done in 1 min 20 s\n');
});

test('a terminal that cannot move its cursor is a log', () => {
  const dumb = output({ isTTY: true });
  showStep('npm packages', dumb, { TERM: 'dumb' }).end('failed after');
  expect(dumb.texts.join('')).not.toContain('\x1b');
});

test('ninja counts by itself; of make’s lines those count that begin to compile', () => {
  const ninja = buildCounter(50);
  expect(['[3/58] Building CXX object objects.dir/a.cpp.o', 'ninja: done', '[58/58] Linking'].map(ninja)).toEqual([
    '3 of 58 files',
    null,
    '58 of 58 files',
  ]);
  const make = buildCounter(2);
  const lines = [
    '[  1%] Building CXX object CMakeFiles/objects.dir/a.cpp.o',
    '/native/a.cpp:1: warning: Building',
    '[ 50%] Building CXX object CMakeFiles/objects.dir/b.cpp.o',
    '[ 99%] Linking CXX shared module flotilla.node',
    '[100%] Building CXX object CMakeFiles/objects.dir/c.cpp.o',
  ];
  expect(lines.map(make)).toEqual(['1 of 2 files', null, '2 of 2 files', null, '3 of 3 files']);
});
