/**
 * scripts/help/ holds what the command prints of itself, for the time before it is built. To write it:
 * `UPDATE=1 npx vitest run tests/docs/help.test.ts`.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { setupModule } from '../../src/engine/native/locate.js';
import { flotillaMain } from '../setup/built.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = path.join(root, 'scripts', 'help');
const { earlyAnswer } = await setupModule<{
  earlyAnswer(args: readonly string[]): { text: string; isError: boolean } | null;
}>('help.mjs');

/** What the built command prints: 80 columns wide, as where no terminal is. */
async function printed(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [flotillaMain, ...args]);
  return stdout;
}

test('help before anything is built is the help of the command', async () => {
  const overview = await printed('--help');
  const commands = [...overview.matchAll(/^ {2}([a-z]+)(?= [[<]| {2})/gm)].map(([, name]) => name);
  expect(commands).toEqual(expect.arrayContaining(['train', 'resume', 'generate', 'setup', 'doctor', 'help']));
  const names = commands.filter((name) => name !== 'help');
  const texts = await Promise.all(names.map((name) => printed(name, '--help')));
  const pages = new Map([['flotilla.txt', overview], ...names.map((name, i) => [`${name}.txt`, texts[i]] as const)]);
  if (process.env.UPDATE) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const [file, text] of pages) writeFileSync(path.join(folder, file), text);
  }
  expect(readdirSync(folder).sort()).toEqual([...pages.keys()].sort());
  for (const [file, text] of pages)
    expect(readFileSync(path.join(folder, file), 'utf8'), `scripts/help/${file}`).toBe(text);
});

test('what asks for help or the version is answered before anything is built, as by the command itself', async () => {
  const page = (name: string) => readFileSync(path.join(folder, `${name}.txt`), 'utf8');
  for (const args of [['--help'], ['-h'], ['help'], ['--help', 'no-such-command']])
    expect(earlyAnswer(args), args.join(' ')).toEqual({ text: page('flotilla'), isError: false });
  expect(earlyAnswer(['resume', 'runs/first', '--help'])).toEqual({ text: page('resume'), isError: false });
  expect(earlyAnswer(['demo', '--steps', '3', '-h'])).toEqual({ text: page('demo'), isError: false });
  expect(earlyAnswer(['help', 'train'])).toEqual({ text: await printed('help', 'train'), isError: false });
  expect(earlyAnswer(['-V'])).toEqual({ text: await printed('-V'), isError: false });
  const bare = spawnSync(process.execPath, [flotillaMain], { encoding: 'utf8' });
  expect(earlyAnswer([])).toEqual({ text: bare.stderr, isError: bare.status === 1 });
});

test('what asks for work is not answered early', () => {
  for (const args of [['train', 'config.json'], ['demo'], ['setup'], ['generate', 'run', '--', '--help']])
    expect(earlyAnswer(args), args.join(' ')).toBeNull();
});
