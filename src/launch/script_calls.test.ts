import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runVariable, type LaunchedRun, type ScriptCall } from './messages.js';
import { built } from '../../tests/setup/built.js';

// A script, run again in a rank: it is told of its earlier calls, and of the one that it is a rank of.

const folder = mkdtempSync(join(tmpdir(), 'flotilla-calls-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const train = (number: number): ScriptCall => ({ number, kind: 'train', model: null });
const ended = (call: ScriptCall, value: unknown) => ({ call, outcome: { value } });
const failed = (call: ScriptCall, diagnostic: object | null) => ({
  call,
  outcome: { error: { name: 'RangeError', message: 'no such thing', diagnostic } },
});

/** Runs a script whose calls do nothing but print, as a rank of `ours`. */
function rerun(text: string, ours: ScriptCall, earlier: readonly object[]) {
  const script = join(folder, 'script.mts');
  const endedCalls = join(folder, 'calls.json');
  const errorFile = join(folder, 'error.json');
  rmSync(errorFile, { force: true });
  writeFileSync(endedCalls, JSON.stringify(earlier));
  const calls = built(new URL('script_calls.ts', import.meta.url));
  writeFileSync(
    script,
    `import { inTurn } from ${JSON.stringify(calls)};
     const call = (kind: 'train' | 'resume' | 'generate') =>
       inTurn(kind, null, async ({ number }) => (console.log('works as', number), process.exit(0)));
     ${text}`,
  );
  const run: LaunchedRun = {
    folder,
    lock: 'none',
    state: folder,
    checkpoint: null,
    launchedAt: 0,
    peakFlops: null,
    call: ours,
    endedCalls,
    module: null,
  };
  const env = { ...process.env, [runVariable]: JSON.stringify(run), ...rankVariables(errorFile) };
  const options = { encoding: 'utf8', env } as const;
  const { status, stdout } = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), script], options);
  const told = existsSync(errorFile) ? readFileSync(errorFile, 'utf8') : '';
  return { status, stdout, code: /"code":"([^"]+)"/.exec(told)?.[1] ?? null };
}

const rankVariables = (errorFile: string) => ({
  RANK: '0',
  WORLD_SIZE: '1',
  MASTER_ADDR: '127.0.0.1',
  MASTER_PORT: '1',
  TORCHELASTIC_ERROR_FILE: errorFile,
});

test('earlier calls give what they gave, errors included, and print nothing; the call itself works; later ones are never reached', () => {
  const diagnostic = { code: 'train/loss-not-finite', what: 'the loss is NaN', fix: 'lower it' };
  const { status, stdout } = rerun(
    `console.log('before');
     const first = await call('train');
     const codes: unknown[] = [];
     await call('train').catch((error) => codes.push(error.code, error.diagnostic.fix));
     await call('generate').catch((error) => codes.push(error.name, error.message));
     process.on('exit', () => console.log(first, codes));
     await Promise.all([call('resume'), call('train')]);
     console.log('after');`,
    { number: 3, kind: 'resume', model: null },
    [
      ended(train(0), { folder: 'a', interrupted: false }),
      failed(train(1), diagnostic),
      failed({ number: 2, kind: 'generate', model: null }, null),
    ],
  );
  expect(status).toBe(0);
  expect(stdout).toBe(
    `works as 3\n{ folder: 'a', interrupted: false } [ 'train/loss-not-finite', 'lower it', 'RangeError', 'no such thing' ]\n`,
  );
});

test.each([
  ['another kind', `await call('resume');`, 'launch/another-call'],
  ['another kind before', `await call('generate'); await call('train');`, 'launch/another-call'],
  ['another model before', `await inTurn('train', null, async () => {}); await call('train');`, 'launch/another-model'],
  ['fewer calls', `await call('train');`, 'launch/call-not-reached'],
  ['no call', ``, 'launch/call-not-reached'],
])('a script that takes another way in a rank is refused: %s', (_, text, code) => {
  const before = code === 'launch/another-model' ? { ...train(0), model: 'hash' } : train(0);
  const result = rerun(text, train(text.startsWith(`await call('resume')`) ? 0 : 1), [ended(before, null)]);
  expect(result).toMatchObject({ status: 1, code });
  expect(result.stdout).not.toContain('works');
});
