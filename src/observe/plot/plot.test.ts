import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LossCurve } from '../../run/loss_curve.js';
import { chartOf } from './chart.js';
import { figureOf, type FigureOptions } from './figure.js';
import { svgOf } from './svg.js';
import { linearTicks, logTicks } from './ticks.js';

const nothing: LossCurve = {
  name: 'run',
  training: [],
  validation: [],
  notFinite: [],
  unigram: null,
  bigram: null,
  bytesPerToken: null,
  keepsText: true,
  tokenizer: 'a',
  steps: null,
};

const falling = (steps: number, more: Partial<LossCurve> = {}): LossCurve => ({
  ...nothing,
  training: Array.from({ length: steps }, (_, k) => ({ step: k + 1, loss: 4 + 4 * Math.exp(-k / 60) })),
  validation: Array.from({ length: Math.floor(steps / 100) }, (_, k) => ({ step: 100 * (k + 1), loss: 4.5 })),
  unigram: 6.6,
  bigram: 4.6,
  steps,
  ...more,
});

const anyLosses = fc.uniqueArray(
  fc.record({ step: fc.integer({ min: 1, max: 2_000_000 }), loss: fc.double({ min: 0, max: 1e6, noNaN: true }) }),
  { selector: ({ step }) => step, maxLength: 900 },
);
const ascending = anyLosses.map((points) => points.toSorted((a, b) => a.step - b.step));
const orNull = (max: number) => fc.option(fc.double({ min: 1e-3, max, noNaN: true }));
const anyCurve: fc.Arbitrary<LossCurve> = fc.record({
  name: fc.string({ unit: 'binary', maxLength: 40 }),
  training: ascending,
  validation: ascending,
  notFinite: fc.array(fc.integer({ min: 1, max: 2_000_000 })),
  unigram: orNull(20),
  bigram: orNull(20),
  bytesPerToken: orNull(20),
  keepsText: fc.boolean(),
  tokenizer: fc.option(fc.constantFrom('a', 'b')),
  steps: fc.option(fc.integer({ min: 1, max: 2_000_000 })),
});
const anyOptions: fc.Arbitrary<FigureOptions> = fc.record(
  { unit: fc.constantFrom('token' as const, 'byte' as const), isLog: fc.boolean() },
  { requiredKeys: [] },
);

test('whatever the runs have told, there is a picture without a number that is none, and lines that fit', () => {
  const law = fc.property(
    fc.array(anyCurve, { minLength: 1, maxLength: 9 }),
    anyOptions,
    fc.integer({ min: 1, max: 200 }),
    (curves, options, width) => {
      const figure = figureOf(curves, options);
      const svg = svgOf(figure);
      expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
      // Well-formed as far as names could break it: no character that XML has no place for, every < of a tag.
      // eslint-disable-next-line no-control-regex -- what XML has no place for
      expect(svg).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/);
      expect(svg.replace(/<\/?[a-zA-Z][^<>]*>/g, '')).not.toMatch(/[<>]/);
      for (const line of chartOf(figure, { width }).split('\n')) expect([...line].length).toBeLessThanOrEqual(width);
    },
  );
  fc.assert(law, { numRuns: 40 });
});

test('a run that falls is drawn falling, its baselines beside it', () => {
  const [chart, svg] = [chartOf(figureOf([falling(550)]), { width: 80 }), svgOf(figureOf([falling(550)]))];
  expect(chart.split('\n')).toHaveLength(17);
  expect(chart).toContain(' unigram ┄');
  expect(chart).toContain('training 4.0005   ● validation 4.5000   unigram 6.6000   bigram 4.6000');
  expect(svg).toContain('>bigram 4.6000</text>');
  expect(svg.match(/<circle/g)).toHaveLength(6);
  const smooth = /<polyline points="([^"]*)"[^>]*stroke-width="2"/.exec(svg)![1].split(' ').map(Number);
  const heights = smooth.filter((_, k) => k % 2 === 1);
  expect(heights).toEqual(heights.toSorted((a, b) => a - b));
});

test('on few columns there is what fits, or a word that nothing does', () => {
  const curveIn = (width: number) => /[\u2801-\u28ff]/.test(chartOf(figureOf([falling(550)]), { width }));
  expect([200, 80, 40, 20, 16].map(curveIn)).toEqual([true, true, true, true, true]);
  const narrow = chartOf(figureOf([falling(550)]), { width: 12 });
  expect(narrow.replace(/\s+/g, ' ')).toContain('too narrow for a curve: it takes 15 columns');
});

test('one step is a point; none is said', () => {
  expect(svgOf(figureOf([falling(1)])).match(/<circle/g)).toHaveLength(1);
  expect(chartOf(figureOf([nothing]), { width: 60 })).toContain('no loss yet');
  const lost = { ...nothing, notFinite: [3, 4] };
  expect(chartOf(figureOf([lost]), { width: 80 })).toContain('was not finite at 2 steps, first at step 3 (×)');
});

test('a run that is still going says how far it is', () => {
  expect(figureOf([falling(130, { steps: 550 })]).notes[0]).toBe('at step 130 of 550');
});

test('runs of two tokenizers are compared by byte where that is known, and else it is said that they cannot be', () => {
  const [a, b] = [falling(300), falling(300, { name: 'other', tokenizer: 'b' })].map((curve) => ({
    ...curve,
    training: [],
  }));
  expect(figureOf([a, b])).toMatchObject({
    unit: 'token',
    notes: ['the tokenizers differ: losses a token cannot be compared'],
  });
  const known = [{ ...a, bytesPerToken: 4 }, { ...b, bytesPerToken: 2 }]; // prettier-ignore
  const figure = figureOf(known);
  expect(figure).toMatchObject({
    unit: 'byte',
    notes: ['the tokenizers differ: losses are told in bits a byte of text'],
  });
  // The same nats a token, spread over half the bytes.
  const [first, second] = figure.series.map(({ validation }) => validation[0].y);
  expect(first).toBeCloseTo(4.5 / Math.LN2 / 4, 9);
  expect(second).toBeCloseTo(2 * first, 9);
  expect(figureOf(known, { unit: 'token' }).notes).toEqual([
    'the tokenizers differ: losses a token cannot be compared',
  ]);
  expect(figureOf([a], { unit: 'byte' })).toMatchObject({
    unit: 'token',
    notes: ['bytes a token are not known of run: losses are told in nats a token'],
  });
});

test('of a tokenizer that loses text, bits a byte are told not to compare', () => {
  const pair = [
    falling(300, { bytesPerToken: 4 }),
    falling(300, { name: 'b', bytesPerToken: 4, tokenizer: 'b', keepsText: false }),
  ];
  const note = 'the tokenizer of b loses text: its bits a byte do not compare with others';
  expect(figureOf(pair).notes).toContain(note);
  expect(figureOf(pair, { unit: 'token' }).notes).not.toContain(note);
});

test('baselines that all runs share are drawn once, others with whose they are', () => {
  const pair = (bigram: number) => svgOf(figureOf([falling(200), falling(200, { name: 'other', bigram })]));
  expect(pair(4.6).match(/bigram/g)).toHaveLength(2); // its text and what is white behind it
  expect(pair(5).match(/bigram [\d.]+, (run|other)</g)).toHaveLength(4);
});

test('the first steps do not press the rest flat, unless steps are spread by their logarithm', () => {
  const curve = falling(1000, {
    training: falling(1000).training.map((p) => (p.step === 1 ? { ...p, loss: 100 } : p)),
  });
  expect(figureOf([curve]).y.max).toBeLessThan(8);
  // What they leave out of the picture is told.
  expect(figureOf([falling(1000)]).notes).toEqual([
    'the first 23 training losses, up to 8.0000, lie above the picture',
  ]);
  expect(svgOf(figureOf([curve]))).toMatch(/>the first \d+ training losses, up to 100\.0000, lie above the picture</);
  expect(figureOf([curve], { isLog: true }).notes).toEqual([]);
  const peak = {
    ...falling(1000),
    training: falling(1000).training.map((p) => (p.step === 700 ? { ...p, loss: 50 } : p)),
  };
  expect(figureOf([peak, falling(9, { name: 'b' })]).notes).toContainEqual(
    expect.stringMatching(/^run: .*50\.0000.* above the picture$/),
  );
  expect(figureOf([curve], { isLog: true }).y.max).toBeGreaterThan(50);
});

test('ticks are round numbers', () => {
  const texts = (ticks: ReturnType<typeof linearTicks>) => ticks.map(({ text }) => text);
  expect(texts(linearTicks(0, 550, 9))).toEqual(['0', '100', '200', '300', '400', '500']);
  expect(texts(linearTicks(3.9, 5.1, 7))).toEqual(['4.0', '4.2', '4.4', '4.6', '4.8', '5.0']);
  expect(texts(linearTicks(0, 120_000, 7))).toEqual(['0', '20 k', '40 k', '60 k', '80 k', '100 k', '120 k']);
  expect(texts(logTicks(1, 550, 9))).toEqual(['1', '2', '5', '10', '20', '50', '100', '200', '500']);
});
