import { expect, test } from 'vitest';
import { resolveConfig } from '../config/resolve.js';
import { ranksOfConfig } from './choose_plan.js';

const read = (plan: object | string) => () =>
  ranksOfConfig(resolveConfig({ plan }, { overrides: [], source: 'run.ts' }).config, null);

test('a file that cannot be read is called what it was to be', () => {
  expect(read({ pipeline_schedule_file: 'nowhere.csv' })).toThrow(
    /^cannot read the schedule file nowhere\.csv \[config\/unreadable\]\n {2}why {4}there is no such file/,
  );
  expect(read('nowhere.json')).toThrow(/^cannot read the plan nowhere\.json \[config\/unreadable\]\n/);
});
