/** Mistakes on a command line are diagnostics, and name the flag that was written. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { flotillaMain } from '../setup/built.js';
import { Workplace } from './tiny_run.js';

const work = new Workplace();
afterAll(() => work.remove());

const flotilla = (...args: readonly string[]) =>
  spawnSync(process.execPath, [flotillaMain, ...args], { encoding: 'utf8' });

test.each([
  [['train', 'x.json', '--learning-rate', '1e-3'], 'cli/unknown-flag', 'did you mean --lr?'],
  [['train', 'x.json', '--hidden_size=64'], 'cli/unknown-flag', 'did you mean --dim?'],
  [['train', 'x.json', '--weight-decay', '0'], 'cli/unknown-flag', 'did you mean --set optimizer.weight_decay=…?'],
  [['train', 'x.json', '--tensor_parallel_size', '2'], 'cli/unknown-flag', 'did you mean --tensor-parallel-size?'],
  [['generate', 'run', '--max-new-tokens', '9'], 'cli/unknown-flag', 'did you mean --tokens?'],
  [['generate', 'run', '--top-k', 'all'], 'config/wrong-option', '--top-k'],
  [['demo', '--lr', 'fast'], 'config/wrong-option', '--lr fast'],
  [['demo', '--set', 'optimizer.lr=-1'], 'config/wrong-option', '--set optimizer.lr=-1'],
  [['demo', '--sequences', '7'], 'config/option-conflict', '--sequences 7 (field batch.sequences)'],
  [['demo', '--set', 'lr'], 'config/bad-override', '--set lr'],
  [['train'], 'cli/bad-command-line', 'missing required argument'],
  [['trian', 'x.json'], 'cli/bad-command-line', 'Did you mean train?'],
])('%j is refused with %s', (args, code, text) => {
  const { status, stderr } = flotilla(...args);
  expect(stderr).toContain(`[${code}]`);
  expect(stderr).toContain(text);
  expect(status).toBe(1);
});

test.each([
  ['ends the process', 'process.exit(0); export default {};', 'it ends the process while it is read'],
  ['waits for what never comes', 'await new Promise(() => {}); export default {};', 'waits for what never comes'],
  ['throws nothing', 'throw null;', 'it fails when run'],
  ['has a bigint', 'export default { steps: 3n };', "option 'steps' must be"],
])('a configuration that %s is refused', (_, text, told) => {
  const config = work.file('config.ts');
  writeFileSync(config, text);
  const { status, stderr } = flotilla('train', config);
  expect(stderr).toContain(told);
  expect(stderr).not.toMatch(/\n {4}at /);
  expect(status).toBe(1);
});

test('what was asked for ends with 0', () => {
  for (const args of [['--help'], ['--version'], ['train', '--help'], ['help', 'generate']])
    expect(flotilla(...args)).toMatchObject({ status: 0, stderr: '' });
});
