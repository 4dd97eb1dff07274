import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addonPath } from '../../src/engine/native/bridge.js';
import { ranksOrOne, testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { generate } from '../../src/train/generate.js';
import { onNative, Workplace } from './tiny_run.js';
import { flotillaMain } from '../setup/built.js';

// One and two real ranks on the native engine, started as a user starts them.

const work = new Workplace();
afterAll(() => work.remove());

const native = { ...onNative, ranks: 2, steps: 3 } as const;
const built = existsSync(addonPath());
if (!built) throw new Error('the native engine is not built: `npm test` builds it');

beforeAll(() => work.train('reference', { steps: 3 }));

for (const ranks of [1, 2]) {
  const name = `data ${ranks}`;
  const who = ranks === 1 ? 'one process learns' : 'two processes learn';
  testOfRanks(ranks)(`${who} what one virtual rank learns, and text is sampled`, async () => {
    const { summary, events } = await work.train(name, { ...native, ranks, sample: { tokens: 2 } });
    expectClose(work.losses(name), work.losses('reference'));
    expect(summary).toMatchObject({ ranks, engine: 'native', steps: 3 });
    // An arena of some hundred kilobytes is lost in what the runtime takes.
    expect(summary.peakBytesMeasured).toBeNull();
    expect(events.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['compiled', 'started', 'sample', 'summary']),
    );
    expect(existsSync(work.file('runs', name, 'metrics.jsonl'))).toBe(true);
    const options = { prompt: 'the', tokens: 4, temperature: 0.7, top_k: 5, seed: 4 };
    const folder = work.file('runs', name);
    expect(await generate(folder, options)).toBe(await generate(folder, options));
  });
}

testOfRanks(1)('one process goes on from its checkpoint bit for bit', async () => {
  await work.train('one straight', { ...native, ranks: 1, steps: 5 });
  await work.train('one stopped', { ...native, ranks: 1, steps: 2 });
  await work.resume('one stopped', ['steps=5']);
  expect(work.tensorHashes('one stopped', 5)).toEqual(work.tensorHashes('one straight', 5));
});

testOfRanks(2)(
  'tensor-parallel ranks save their shards; the run goes on bit for bit, and under another plan to rounding',
  async () => {
    const plan = { tensor_parallel_size: 2 };
    await work.train('straight', { ...native, plan, steps: 5 });
    await work.train('stopped', { ...native, plan, steps: 2 });
    await work.resume('stopped', ['steps=5']);
    expect(work.tensorHashes('stopped', 5)).toEqual(work.tensorHashes('straight', 5));
    await work.train('other', { ...native, plan, steps: 2 });
    await work.resume('other', ['steps=5', 'plan.tensor_parallel_size=1']);
    expectClose(work.losses('other'), work.losses('straight'));
  },
);

testOfRanks(2)('two pipeline stages learn the same, and save what each holds', async () => {
  await work.train('stages', { ...native, plan: { pipeline_parallel_size: 2 } });
  expectClose(work.losses('stages'), work.losses('reference'));
  await work.resume('stages', ['steps=4', 'plan.pipeline_parallel_size=1']);
  await work.train('no stages', { ...native, steps: 4 });
  expectClose(work.losses('stages'), work.losses('no stages'));
});

testOfRanks(2)(
  'without eps, what has had no gradient stays on real ranks too: state that is not finite is not saved',
  async () => {
    const optimizer = { lr: 1e-2, warmup_steps: 0, eps: 0 } as const;
    const model = { family: 'llama', layers: 1, dim: 8, heads: 2, context: 8, vocab: 600 } as const;
    for (const [stage, precision] of [
      [1, 'f32'],
      [3, 'bf16'],
    ] as const) {
      const name = `no eps ${stage}`;
      await work.train(name, { ...native, model, optimizer, precision, plan: { zero_stage: stage } });
      expect(existsSync(work.checkpoint(name, 3))).toBe(true);
    }
  },
);

test('Ctrl-C finishes the step, saves, and the run can be resumed', async () => {
  const config = work.file('endless.json');
  writeFileSync(config, JSON.stringify(work.options('endless', { ...native, ranks: ranksOrOne(2), steps: 100_000 })));
  const child = spawn(process.execPath, [flotillaMain, 'train', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [told, errors] = ['', ''];
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (text: Buffer) => {
      told += text.toString();
      if (/step 2\//.test(told)) resolve();
    });
    void ended.then(() => resolve());
  });
  child.kill('SIGINT');
  expect(await ended, `${told}\n${errors}`).toBe(130);
  expect(errors).toMatch(/stopped after step \d+ and saved; go on with `flotilla resume/);
  const [, step] = /stopped after step (\d+)/.exec(errors)!;
  const latest = readFileSync(path.join(work.file('runs', 'endless'), 'checkpoints', 'latest'), 'utf8').trim();
  expect(latest).toBe(`step-${step.padStart(6, '0')}`);
  const { summary } = await work.resume('endless', [`steps=${Number(step) + 1}`]);
  expect(summary.steps).toBe(Number(step) + 1);
});

/** Starts a run of two ranks, kills one once `reached` has been printed; what is said last. */
async function lastWordsOf(name: string, everySteps: number, reached: RegExp): Promise<string> {
  const config = work.file(`${name}.json`);
  const checkpoint = { every_steps: everySteps };
  writeFileSync(config, JSON.stringify(work.options(name, { ...native, ranks: 2, steps: 100_000, checkpoint })));
  const child = spawn(process.execPath, [flotillaMain, 'train', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [told, errors, isKilled] = ['', '', false];
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  child.stdout.on('data', (text: Buffer) => {
    told += text.toString();
    if (isKilled || !reached.test(told)) return;
    isKilled = true;
    process.kill(childrenOf(child.pid!)[1], 'SIGKILL');
  });
  expect(await new Promise((resolve) => child.on('close', resolve)), `${told}\n${errors}`).not.toBe(0);
  return errors;
}

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);

testOfRanks(2)('after a rank is killed, the last line says how the run goes on, and it does', async () => {
  const errors = await lastWordsOf('killed', 1, /step 2: saved .*\n/);
  const last = errors.trimEnd().split('\n').at(-1)!;
  const folder = work.file('runs', 'killed');
  expect(errors).toContain('rank 1 ended with SIGKILL');
  expect(last).toMatch(/^ +fix .*want of memory/);
  expect(last).toMatch(/go on with `flotilla resume ([^`]+)`: its last checkpoint is \S+$/);
  expect(last).toContain(`\`flotilla resume ${folder}\``);
  const step = Number(/step-(\d+)$/.exec(last)![1]);
  expect(existsSync(path.join(/\S+$/.exec(last)![0], 'manifest.json'))).toBe(true);
  const { summary } = await work.resume('killed', [`steps=${step + 3}`]);
  expect(summary.steps).toBe(step + 3);
});

testOfRanks(2)('and where nothing had been saved, that it is started again, and it can be', async () => {
  const errors = await lastWordsOf('killed early', 100_000, /step 2\//);
  const last = errors.trimEnd().split('\n').at(-1)!;
  expect(last).toMatch(/no checkpoint had been written to go on from: start '.*killed early' again, its name is free$/);
  await work.train('killed early', { ...native });
});

/** Equal to rounding in f32. */
function expectClose(a: readonly number[], b: readonly number[]): void {
  expect(a).toHaveLength(b.length);
  a.forEach((loss, i) => expect(Math.abs(loss - b[i])).toBeLessThan(1e-4 * b[i]));
}
