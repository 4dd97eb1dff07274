import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { loadAddon } from '../../src/engine/native/bridge.js';
import { Workplace } from './tiny_run.js';
import { flotillaMain } from '../setup/built.js';

const work = new Workplace();
afterAll(() => work.remove());

test('every command that is to use a GPU says what is missing before it prepares anything', async () => {
  await work.train('trained', { engine: 'native', device: 'cpu', steps: 1 });
  const config = work.file('config.json');
  // Data that is not there: to be missed, it would have to be looked for.
  const missing = { paths: [work.file('no such corpus')] };
  writeFileSync(config, JSON.stringify({ ...work.options('refused', { engine: 'native' }), data: missing }));
  const run = work.file('runs', 'trained');
  const commands = [
    ['train', config],
    ['demo', '--data', ...missing.paths],
    ['resume', run, '--steps', '2'],
    ['generate', run, '--prompt', 'the ship'],
  ];
  const { torch, torchPath, torchCuda } = loadAddon().describe();
  for (const { status, told, errors } of await Promise.all(commands.map((args) => withoutGpu(args)))) {
    expect(status, errors).toBe(1);
    // Nothing but how long the program itself took to start, where that is long.
    expect(told.replace(/^program: .*\n/, '')).toBe('');
    if (torchCuda === null) {
      expect(errors).toContain(`no GPU can be used: torch ${torch} is a CPU build [engine/torch-without-cuda]`);
      expect(errors).toContain(torchPath);
    } else expect(errors).toContain('torch sees no GPU on this machine [engine/no-gpu]');
  }
  expect(existsSync(work.file('runs', 'refused'))).toBe(false);
});

/** `flotilla … --device cuda` where torch sees no GPU, whatever the machine has. */
function withoutGpu(args: readonly string[]): Promise<{ status: number | null; told: string; errors: string }> {
  const child = spawn(process.execPath, [flotillaMain, ...args, '--device', 'cuda'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CUDA_VISIBLE_DEVICES: '' },
  });
  let [told, errors] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (told += text.toString()));
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, told, errors })));
}
