import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { plotRuns } from '../../src/observe/index.js';
import { Workplace } from './tiny_run.js';

const work = new Workplace();
const run = (name: string) => work.file('runs', name);
beforeAll(async () => {
  const evaluation = { every_steps: 2, batches: 1 };
  await work.train('first', { steps: 4, evaluation });
  await work.train('other', { steps: 4, evaluation, data: { tokenizer: { vocab: 290 } } });
});
afterAll(() => work.remove());

test('a run that ends has its picture, which its summary and its events name', async () => {
  const { events, summary } = await work.train('drawn', { steps: 3 });
  const file = work.file('runs', 'drawn', 'loss.svg');
  expect(summary.picture).toBe(file);
  expect(JSON.parse(readFileSync(work.file('runs', 'drawn', 'summary.json'), 'utf8'))).toMatchObject({ picture: file });
  const curve = events.find((event) => event.kind === 'curve');
  expect(curve).toMatchObject({ file, curve: { steps: 3, bigram: summary.bigramLoss } });
  expect(readFileSync(file, 'utf8')).toMatch(/^<svg [^]*bigram[^]*<\/svg>\n$/);
  expect(readFileSync(work.file('runs', 'drawn', 'log.txt'), 'utf8')).toContain('loss of drawn\n');
});

test('a run that was gone on with is drawn from its first step; one that has not ended, with baselines counted now', async () => {
  await work.resume('first', ['steps=6']);
  const whole = await plotRuns([run('first')]);
  expect(whole.file).toBe(work.file('runs', 'first', 'loss.svg'));
  expect(whole.figure.series[0].training.map(({ x }) => x)).toEqual([1, 2, 3, 4, 5, 6]);

  rmSync(work.file('runs', 'first', 'summary.json'));
  appendFileSync(work.file('runs', 'first', 'metrics.jsonl'), '{"kind":"step","step":7,"loss":null}\n{"kind":"st');
  const going = await plotRuns([run('first')]);
  expect(going.figure.series[0]).toMatchObject({ notFinite: [7], levels: whole.figure.series[0].levels });
});

test('runs of two tokenizers come into one picture, by byte', async () => {
  const out = work.file('both.svg');
  const { figure } = await plotRuns([run('first'), run('other')], { out });
  expect(figure).toMatchObject({ title: '2 runs', unit: 'byte' });
  expect(readFileSync(out, 'utf8')).toContain('the tokenizers differ');
  // By token on request, with a word.
  expect((await plotRuns([run('first'), run('other')], { out, per: 'token' })).figure.notes[0]).toContain('cannot be');
});

test.each([
  ['metrics.jsonl', 'first/metrics.jsonl', 'does not end in .svg'],
  ['a picture of another kind', 'loss.png', 'does not end in .svg'],
  ['a folder that is not there', 'nowhere/loss.svg', 'there is no such file or folder (ENOENT)'],
  ['a file in place of a folder', '../corpus/0.txt/loss.svg', '(ENOTDIR)'],
  ['a checkpoint’s place', 'first/checkpoints/x.svg', 'it is the checkpoints of the run'],
])('%s is not drawn over', async (_, place, problem) => {
  const out = work.file('runs', place);
  const before = existsSync(out) ? readFileSync(out, 'utf8') : null;
  const refused = plotRuns([run('first')], { out });
  await expect(refused).rejects.toMatchObject({ code: 'observe/picture-unwritable' });
  await expect(refused).rejects.toThrow(problem);
  expect(existsSync(out) ? readFileSync(out, 'utf8') : null).toBe(before);
});

test('a picture is replaced whole, behind a link too, and nothing else is left', async () => {
  const [real, link] = [work.file('replaced', 'real.svg'), work.file('replaced', 'link.svg')];
  mkdirSync(work.file('replaced'));
  writeFileSync(real, 'old');
  const before = statSync(real).ino;
  const reader = openSync(real, 'r');
  symlinkSync(real, link);
  await plotRuns([run('first')], { out: link });
  expect(readFileSync(reader, 'utf8')).toBe('old');
  closeSync(reader);
  expect(readFileSync(real, 'utf8')).toMatch(/<\/svg>\n$/);
  expect(statSync(real).ino).not.toBe(before);
  expect(readdirSync(work.file('replaced'))).toEqual(['link.svg', 'real.svg']);
});

test('a unit that is none, and a folder that is no run, are refused', async () => {
  await expect(plotRuns([run('first')], { per: 'word' })).rejects.toThrow('observe/plot-unit-unknown');
  await expect(plotRuns([work.file('corpus')])).rejects.toThrow('run/not-found');
});

test('where a picture cannot be written that nobody has given a place, the losses are shown all the same', async () => {
  // Of several runs it goes into the working directory.
  mkdirSync(work.file('elsewhere', 'loss.svg'), { recursive: true });
  const cwd = vi.spyOn(process, 'cwd').mockReturnValue(work.file('elsewhere'));
  onTestFinished(() => cwd.mockRestore());
  const { file, unwritten, figure } = await plotRuns([run('first'), run('other')]);
  expect(file).toBeNull();
  expect(unwritten).toBe(`${work.file('elsewhere', 'loss.svg')} cannot be written: it is no ordinary file`);
  expect(figure.series.every(({ training }) => training.length > 0)).toBe(true);
});
