/** What a run hears of vitest's tests. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Told } from '../../bench/gpu/run/told.js';
import { startProcess } from '../../bench/gpu/run/stage_process.js';
import { packageRoot } from '../../src/engine/native/package_root.js';

const tests = `
import { describe, expect, test } from 'vitest';
describe('sums', () => {
  test('one and one', () => expect(1 + 1).toBe(2));
  test('one and two', () => expect(1 + 2).toBe(4));
  test('by moonlight', ({ skip }) => skip('it is day'));
  test.skip('never', () => {});
});
console.log('{"not":"a record"}');
`;

test('each test, each file and all of them are a record; what tests print is none', async () => {
  const root = packageRoot();
  mkdirSync(path.join(root, '.cache'), { recursive: true });
  const folder = mkdtempSync(path.join(root, '.cache', 'reporter-'));
  try {
    writeFileSync(path.join(folder, 'sums.test.ts'), tests);
    writeFileSync(path.join(folder, 'vitest.config.js'), 'export default {};');
    const told = new Told([]);
    const program = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const reporter = path.join(root, 'bench', 'gpu', 'run', 'test_reporter.ts');
    const stage = startProcess({
      command: [process.execPath, program, 'run', '--root', folder, '--reporter', reporter],
      env: {},
      heard: (lines, stream) => told.hear(lines, stream),
    });

    expect(await stage.ended).toBe('ended with status 1');
    const file = 'sums.test.ts';
    const seconds = expect.any(Number) as number;
    const of = (name: string) => ({ file, test: `sums > ${name}`, seconds });
    expect(told.results().results).toEqual([
      { ...of('one and one'), state: 'passed' },
      { ...of('one and two'), state: 'failed', messages: [expect.stringContaining('expected 3 to be 4')] },
      { ...of('by moonlight'), state: 'skipped', reason: 'it is day' },
      { ...of('never'), state: 'skipped', reason: 'marked skip' },
      { file, passed: 1, failed: 1, skipped: 2, seconds, failures: ['sums > one and two'] },
      { ended: 'failed', headline: '1 passed, 1 failed, 2 skipped' },
    ]);
    expect(told.lastLines().join('\n')).toContain('{"not":"a record"}');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
