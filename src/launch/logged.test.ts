/** What is said of a run that was stopped. */
import { afterEach, expect, test } from 'vitest';
import { summary } from '../observe/testing.js';
import type { LanguageModel } from '../nn/language_model.js';
import { stoppedWord } from './logged.js';

const { argv } = process;
afterEach(() => void (process.argv = argv));

const stopped = (of: Partial<typeof summary>, given: boolean, complete = false) =>
  stoppedWord(
    {
      summary: { ...summary, ...of },
      folder: '/runs/my run',
      complete,
      interrupted: true,
      aborted: false,
      leads: true,
    },
    // It is asked of a model only whether it is there.
    given ? ({} as LanguageModel) : null,
  );

test('how to go on is a command that works, for a model of a script too', () => {
  process.argv = ['node', `${process.cwd()}/my models/first.mts`];
  expect(stopped({ steps: 7 }, false)).toBe(
    "stopped after step 7 and saved; go on with `flotilla resume '/runs/my run'`",
  );
  expect(stopped({ steps: 7 }, true)).toContain("`flotilla resume '/runs/my run' --model 'my models/first.mts'`");
  process.argv = ['node', '/elsewhere/first.ts'];
  expect(stopped({ steps: 7 }, true)).toContain("`flotilla resume '/runs/my run' --model /elsewhere/first.ts`");
  process.argv = ['node'];
  expect(stopped({ steps: 7 }, true)).toContain("`flotilla resume '/runs/my run' --model FILE`");
});

test('of a run that took no step no step is named', () => {
  const none = { stepSeconds: null };
  expect(stopped({ ...none, steps: 0 }, false)).toMatch(
    /^stopped before a step was taken: its first weights are saved;/,
  );
  expect(stopped({ ...none, steps: 5 }, false)).toMatch(
    /^stopped before a step was taken: the run is at step 5, as before;/,
  );
  expect(stopped({ steps: 9 }, false, true)).toBe(
    'stopped after the last step: all 9 are trained and saved in /runs/my run',
  );
});
