/** Ctrl-C while the process of the reference library does not answer. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { StartedRun } from '../fuzz/started_run.js';
import { flotillaFirst, flotillaMain } from '../setup/built.js';
import { onReference, Workplace } from '../training/tiny_run.js';

const work = new Workplace(onReference);
const started: StartedRun[] = [];
const stopped: number[] = [];
afterAll(() => {
  for (const run of started) run.killAll();
  for (const pid of stopped) endOf(pid);
  work.remove();
});

const tokenizer = { file: fileURLToPath(new URL('fixtures/gpt2.json', import.meta.url)) };

function start(name: string, args: readonly string[]): StartedRun {
  const run = new StartedRun(
    process.execPath,
    ['--import', flotillaFirst, flotillaMain, ...args],
    work.file('runs', name),
  );
  started.push(run);
  return run;
}

/** Stops the library's process as soon as there is one, and then interrupts. Gives the milliseconds until the command has ended. */
async function interrupt(run: StartedRun): Promise<number> {
  await run.until('the process of the library', () => {
    const [pid] = run.libraryProcesses();
    if (pid === undefined) return false;
    process.kill(pid, 'SIGSTOP');
    stopped.push(pid);
    return true;
  });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(run.child.exitCode, run.output).toBeNull();
  const asked = performance.now();
  process.kill(run.pid, 'SIGINT');
  expect((await run.ended).status, run.output).toBe(130);
  return performance.now() - asked;
}

function endOf(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended with the process that it belonged to.
  }
}

test('training and writing are interrupted at once while a tokenizer does not answer', async () => {
  const config = work.file('interrupted.json');
  writeFileSync(config, JSON.stringify(work.options('interrupted', { steps: 1, data: { tokenizer } })));
  const training = start('interrupted', ['train', config]);
  expect(await interrupt(training)).toBeLessThan(5000);
  expect(training.output).toContain('stopped by SIGINT');

  await work.train('writes', { steps: 1, data: { tokenizer } });
  const writing = start('writes', ['generate', work.file('runs', 'writes'), '--prompt', 'the ship']);
  expect(await interrupt(writing)).toBeLessThan(5000);
  expect(writing.output).toContain('stopped by SIGINT');

  // What is found prepared is looked at, its tokenizer too.
  const again = start('again', ['train', config]);
  expect(await interrupt(again)).toBeLessThan(5000);
});
