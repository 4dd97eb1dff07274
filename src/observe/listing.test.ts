import { expect, test } from 'vitest';
import { checkpointsText, runsText } from './listing.js';

test('runs, one a line, under their headings', () => {
  const run = { problem: null, steps: 300, unsavedStep: null, trainingLoss: 4.25, validationLoss: null, bytes: 1.2e6 };
  const text = runsText([
    { ...run, name: 'a', state: 'running', step: null },
    { ...run, name: 'b', state: 'running', step: null, unsavedStep: 7 },
    { ...run, name: 'longer-name', state: 'complete', step: 300, validationLoss: 4.5 },
    {
      ...run,
      name: 'c',
      state: 'broken',
      step: null,
      steps: null,
      trainingLoss: null,
      problem: 'no such thing [run/x]',
    },
  ]);
  expect(text).toBe(
    [
      'run          state     saved step            loss    validation  size',
      'a            running   -                     4.2500  -           1.20 MB',
      'b            running   7 of 300 (not saved)  4.2500  -           1.20 MB',
      'longer-name  complete  300 of 300            4.2500  4.5000      1.20 MB',
      'c            broken    -                     -       -           1.20 MB',
      'c: no such thing [run/x]',
    ].join('\n'),
  );
});

test('checkpoints, with what is wrong with one', () => {
  const checkpoint = { problem: null, trainingLoss: 1, validationLoss: null, bytes: 5e5, isLatest: false };
  const text = checkpointsText([
    { ...checkpoint, step: 200, path: 'b', state: 'verified', isLatest: true },
    { ...checkpoint, step: 100, path: 'a', state: 'broken', bytes: null, problem: 'its bytes are others' },
  ]);
  expect(text).toBe(
    [
      'step          loss    validation  size    state',
      '200 (latest)  1.0000  -           500 kB  verified',
      '100           1.0000  -           -       broken',
      'a: its bytes are others',
    ].join('\n'),
  );
  expect(checkpointsText([])).toBe('no checkpoint');
});
