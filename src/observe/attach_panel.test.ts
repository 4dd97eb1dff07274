import { expect, test } from 'vitest';
import { trainEvents, type TrainEventBody } from '../train/events.js';
import type { LossCurve } from '../run/loss_curve.js';
import { attachPanel, type Aside } from './attach_panel.js';
import { renderPanel } from './panel.js';
import { initialState, nextState } from './run_state.js';
import { eventsOfRun, summary } from './testing.js';
import { Screen, type Narrowing } from './testing_screen.js';

/** A run's events shown on a terminal of some size. */
class Shown {
  readonly screen: Screen;
  readonly written: string[] = [];
  #now = 0;
  readonly #events = trainEvents(() => this.#now);
  readonly #listeners = new Set<() => void>();
  #aside: Aside | null = null;
  /** Called as the program ends. */
  end = () => {};
  readonly detach: () => void;

  constructor(
    columns: number,
    { narrowing = 'wraps', environment = {}, isTTY = true, rows }: Partial<ShownOptions> = {},
  ) {
    const screen = (this.screen = new Screen(columns, narrowing));
    const write = (text: string) => {
      this.written.push(text);
      screen.write(text);
    };
    const onResize = (listener: () => void) => {
      this.#listeners.add(listener);
      return () => void this.#listeners.delete(listener);
    };
    const onOthers = (aside: Aside) => {
      this.#aside = aside;
      return () => void (this.#aside = null);
    };
    const onEnd = (listener: () => void) => {
      this.end = listener;
      return () => void (this.end = () => {});
    };
    const stream = { isTTY, rows, write, onResize, onOthers, onEnd, get columns() { return screen.columns; } }; // prettier-ignore
    this.detach = attachPanel(this.#events, { stream, environment });
  }

  run(from: number, to: number): void {
    const events = eventsOfRun(to);
    for (const { at, ...body } of events) {
      if (from > 0 && !('step' in body && body.step > from)) continue;
      this.#now = at;
      this.#events.emit(body);
    }
  }

  emit(body: TrainEventBody): void {
    this.#events.emit(body);
  }

  /** What another part of the program writes. */
  other(text: string): void {
    const write = () => this.screen.write(text);
    if (this.#aside) this.#aside(text, write);
    else write();
  }

  resize(columns: number): void {
    this.screen.resize(columns);
    for (const listener of this.#listeners) listener();
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

interface ShownOptions {
  readonly narrowing: Narrowing;
  readonly environment: Readonly<Record<string, string>>;
  readonly isTTY: boolean;
  readonly rows: number;
}

const panelAfter = (steps: number, width: number) =>
  renderPanel(eventsOfRun(steps).reduce(nextState, initialState), { width, color: false });

const told = [
  'tokenizer: 2.00 s (8192 tokens)',
  'compiled in 340 ms: 14.0 M parameters, data 2, 812 instructions a rank, 405 MB predicted',
  'run demo: 2 ranks, native on cpu, bf16, 5 minutes',
  '750 steps in all',
  'step 100: saved runs/demo/checkpoints/step-000100 (168 MB, 510 ms)',
];

test.each([80, 140])('on %d columns the panel is drawn over itself, and what is told scrolls above it', (columns) => {
  const shown = new Shown(columns);
  shown.run(0, 120);
  const above = columns < 100 ? [told[0], told[1].replace(' predicted', '\n  predicted'), ...told.slice(2)] : told;
  expect(shown.screen.text).toBe([...above, '', panelAfter(120, columns)].join('\n'));
  shown.detach();
  expect(shown.screen.text).toBe([...above, panelAfter(120, columns)].join('\n'));
  expect(shown.listeners).toBe(0);
});

test.each<[Narrowing, readonly number[]]>([
  ['wraps', [60]],
  ['cuts', [60]],
  ['wraps', [40, 30, 77, 140]],
  ['cuts', [40, 30, 77, 140]],
  ['wraps', [140, 20, 8]],
])('on a terminal that %s long lines, made %j columns wide, one panel stands', (narrowing, widths) => {
  const shown = new Shown(140, { narrowing });
  shown.run(0, 120);
  for (const [k, width] of widths.entries()) {
    shown.resize(width);
    const lines = shown.screen.text.split('\n');
    const panel = panelAfter(120 + k, width).split('\n');
    expect(lines.slice(-panel.length)).toEqual(panel);
    // Of the panels before, nothing is left.
    expect(lines.slice(0, -panel.length).filter((line) => /tokens\/s|━|bits\/byte|grad norm/.test(line))).toEqual([]);
    shown.run(120 + k, 121 + k);
  }
});

const stopping =
  'SIGINT: stopping after the step that runs now or the next, then saving; a second Ctrl-C ends at once without saving';

test.each([
  ['a line', ['SIGTERM: stopping\n'], ['SIGTERM: stopping']],
  ['a line that is wrapped', [`${stopping}\n`], [stopping.slice(0, 80), stopping.slice(80)]],
  ['several lines at once', ['one\ntwo\nthree\nfour\nfive\n'], ['one', 'two', 'three', 'four', 'five']],
  ['a line in pieces', ['one ', 'and ', 'two\n'], ['one and two']],
  ['what a terminal shows of Ctrl-C', ['^C'], []],
])('what another part of the program writes stands above the panel, whole: %s', (kind, texts, lines) => {
  const shown = new Shown(80);
  shown.run(0, 30);
  // A terminal's echo is written by nobody.
  const isEcho = kind.includes('Ctrl-C');
  for (const text of texts) {
    if (isEcho) shown.screen.write(text);
    else shown.other(text);
  }
  const drawn = (steps: number) => {
    const panel = panelAfter(steps, 80).split('\n');
    expect(shown.screen.text.split('\n').slice(-panel.length - 1 - lines.length)).toEqual([...lines, '', ...panel]);
  };
  if (texts.length === 1 && lines.length > 0) drawn(30);
  shown.run(30, 31);
  drawn(31);
  // The lines before it are untouched.
  expect(shown.screen.text.match(/━/g)?.length).toBe(panelAfter(31, 80).match(/━/g)?.length);
});

test('after a panel whose end the terminal has dropped, what comes next is whole', () => {
  const shown = new Shown(80);
  shown.run(0, 30);
  shown.screen.write('\r\x1b[J\x1b[?7l\n^C');
  shown.other(`${stopping}\n`);
  expect(shown.screen.text).toContain(`\n${stopping.slice(0, 80)}\n${stopping.slice(80)}\n\n${panelAfter(30, 80)}`);
});

test('a line without an end, and what comes in the middle of a sample, stand for themselves', () => {
  const shown = new Shown(80);
  shown.run(0, 30);
  shown.other('half a line');
  shown.run(30, 31);
  expect(shown.screen.text.split('\n').slice(-5).slice(0, 2)).toEqual(['half a line', '']);
  for (const text of ['The people', ' of the']) shown.emit({ kind: 'sample_text', step: 31, text });
  shown.other('SIGINT\n');
  for (const text of [' United', ' States']) shown.emit({ kind: 'sample_text', step: 31, text });
  shown.emit({ kind: 'sample', step: 31, prompt: 'The people', text: ' …' });
  expect(shown.screen.text.split('sample\n')[1].trimEnd().split('\n')).toEqual([
    '  The people of the',
    'SIGINT',
    '   United States',
  ]);
});

test('what ends in the middle leaves the panel standing above the prompt, and no word of a set-up', () => {
  const shown = new Shown(80);
  shown.run(0, 30);
  shown.end();
  expect(shown.screen.text.endsWith(`\n${panelAfter(30, 80)}`)).toBe(true);
  shown.other('$ ');
  expect(shown.screen.text.split('\n').at(-1)).toBe('$');
  const early = new Shown(80);
  early.emit({ kind: 'setup_started', part: 'data: reading' });
  early.other('stopped by SIGINT\n');
  early.end();
  early.other('$ ');
  expect(early.screen.text.trim().split('\n')).toEqual(['stopped by SIGINT', '$']);
});

test('a terminal of few rows has as much of the panel as fits', () => {
  const shown = new Shown(80, { rows: 3 });
  shown.run(0, 60);
  expect(shown.screen.text.split('\n').slice(-3)).toEqual(['', ...panelAfter(60, 80).split('\n').slice(0, 2)]);
});

test('NO_COLOR takes the colours and leaves the panel; empty, it takes nothing', () => {
  const environments: readonly Readonly<Record<string, string>>[] = [{ NO_COLOR: '1' }, { NO_COLOR: '' }, {}];
  const [plain, empty, usual] = environments.map((environment) => {
    const shown = new Shown(80, { environment });
    shown.run(0, 60);
    return shown.screen;
  });
  expect(plain.styles).toBe(0);
  expect(usual.styles).toBeGreaterThan(0);
  expect(empty.styles).toBe(usual.styles);
  expect(plain.text).toBe(usual.text);
  expect(plain.text).toContain('step 60/750  ━');
});

const curve: LossCurve = {
  name: 'demo',
  training: [1, 2, 3].map((step) => ({ step, loss: 9 - step })),
  validation: [{ step: 3, loss: 6.5 }],
  notFinite: [],
  unigram: 7,
  bigram: 5,
  bytesPerToken: null,
  keepsText: true,
  tokenizer: null,
  steps: 3,
};

test('the sample is told as it comes, broken between words, and once', () => {
  const shown = new Shown(40);
  shown.run(0, 20);
  for (const text of [
    'The people',
    ' of the',
    ' United',
    ' States have',
    ' been\x1b[31m',
    ' happy',
    ' in their',
    ' homes.',
  ])
    shown.emit({ kind: 'sample_text', step: 20, text });
  expect(
    shown.screen.text.endsWith('\nsample\n  The people of the United States have\n  been·[31m happy in their'),
  ).toBe(true);
  shown.emit({ kind: 'sample', step: 20, prompt: 'The people', text: ' of the …' });
  shown.emit({ kind: 'curve', file: 'runs/demo/loss.svg', curve });
  shown.emit({ kind: 'summary', summary });
  shown.detach();
  const text = shown.screen.text;
  expect(text).toContain('  been·[31m happy in their homes.\nloss of demo\n');
  expect(text.match(/The people/g)).toHaveLength(1);
  // The panel has gone: the summary says the same and more.
  expect(text).not.toContain('━');
  expect(text.endsWith('  picture  runs/demo/loss.svg\n  folder   runs/demo')).toBe(true);
});

test.each([
  ['a pipe', false, {}],
  ['a dumb terminal', true, { TERM: 'dumb' }],
])('with %s there are plain lines and no escapes', (_, isTTY, environment) => {
  const shown = new Shown(80, { isTTY, environment });
  shown.run(0, 20);
  shown.emit({ kind: 'sample_text', step: 20, text: 'const a' });
  shown.emit({ kind: 'sample', step: 20, prompt: 'const a', text: ' = \x1b[31m1;\nconst b' });
  shown.emit({ kind: 'curve', file: 'runs/demo/loss.svg', curve });
  shown.emit({ kind: 'summary', summary });
  shown.detach();
  shown.emit({ kind: 'warning', code: 'x', message: 'told to nobody' });
  const text = shown.written.join('');
  expect(text).not.toContain('\x1b');
  expect(text).not.toContain('nobody');
  expect(text).toContain('\nsample\n  const a = ·[31m1;\n  const b\nloss of demo\n');
  expect(text).toContain('\nsummary of demo\n');
  const drawn = text.slice(text.indexOf('\nsample\n'), text.indexOf('\nsummary of demo\n')).split('\n');
  for (const line of drawn) expect([...line].length).toBeLessThanOrEqual(80);
});
