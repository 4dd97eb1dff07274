import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { StartedRun } from '../fuzz/started_run.js';
import { flotillaMain } from '../setup/built.js';
import { onNative, Workplace } from '../training/tiny_run.js';

const work = new Workplace();
let run: StartedRun | null = null;
afterAll(() => {
  run?.killAll();
  work.remove();
});

testOfRanks(2)(
  'a run of two ranks has one process of the tokenizers’ library, which its launcher started',
  async () => {
    const file = fileURLToPath(new URL('fixtures/gpt2.json', import.meta.url));
    const config = work.file('config.json');
    const evaluation = { every_steps: 1, batches: 1 };
    const options = { ...onNative, threads: 1, ranks: 2, steps: 4, evaluation, data: { tokenizer: { file } } };
    writeFileSync(config, JSON.stringify(work.options('ranks', options)));
    const started = (run = new StartedRun(
      process.execPath,
      [flotillaMain, 'train', config],
      work.file('runs', 'ranks'),
    ));
    const seen = new Set<number>();
    await started.until('four steps', () => {
      for (const pid of started.libraryProcesses()) seen.add(pid);
      return started.steps >= 4;
    });
    expect(seen.size, started.output).toBe(1);
    expect((await started.ended).status, started.output).toBe(0);
    expect(started.output).toContain('bits/byte');
  },
);
