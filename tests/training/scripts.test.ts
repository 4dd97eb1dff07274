import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { Scripts, type Ended } from './script_runs.js';
import { Workplace } from './tiny_run.js';

// Scripts that call the library more than once, each call with a model of its own, on real ranks.

const work = new Workplace();
afterAll(() => work.remove());

const scripts = new Scripts(work);

const embedding = (name: string, step: number): readonly number[] => {
  const manifest = readFileSync(`${work.checkpoint(name, step)}/manifest.json`, 'utf8');
  const { tensors } = JSON.parse(manifest) as { tensors: Record<string, { shape: number[] }> };
  return tensors['embedding.weight'].shape;
};

testOfRanks(1)('each call of a script has its own model, and its own result', () => {
  const { status, stdout, stderr } = scripts.run(
    'sweep.mjs',
    `const folders = [];
     for (const dim of [8, 12]) {
       const { summary, folder } = await train({ ...options('sweep ' + dim), model: mine(dim) });
       folders.push(folder);
       console.log(summary.parameters);
     }
     const text = await generate(folders[0], { prompt: 'the', tokens: 2, model: mine(8) });
     const more = await resume(folders[1], { model: mine(12), overrides: ['steps=3'] });
     console.log(typeof text, more.summary.steps);`,
  );
  expect(status, stderr).toBe(0);
  const [small, large, ended] = stdout.trim().split('\n');
  expect(Number(large)).toBeGreaterThan(Number(small));
  expect(ended).toBe('string 3');
  // Printed by the launcher alone: what a rank does again before its call is not told again.
  expect(stdout.trim().split('\n')).toHaveLength(3);
  expect(stderr).not.toContain(small);
  expect(embedding('sweep 8', 2)).toEqual([270, 8]);
  expect(embedding('sweep 12', 3)).toEqual([270, 12]);
});

/** A script that gets a signal at its first step. */
const interrupting = `const events = trainEvents();
  const once = events.subscribe(({ kind }) => kind === 'step' && (once(), process.kill(process.pid, 'SIGINT')));`;
const onReference = (name: string) => `{ ...onReference('${name}'), steps: 1000 }`;

test.each([
  ['one after the other', `for (const dim of [8, 12]) await train({ ...endless, model: mine(dim) }, { events });`],
  [
    'made at the same time',
    `await Promise.all([8, 12].map((dim) => train({ ...endless, model: mine(dim) }, { events })));`,
  ],
])('a signal stops a script and not only the call that runs: calls %s', (name, calls) => {
  const { status, stdout, stderr } = scripts.run(
    `${name}.mjs`,
    `${interrupting}
     const endless = ${onReference(name)};
     ${calls}
     console.log('never');`,
  );
  expect(stderr).toContain('launch/stopped-before');
  expect(stderr).toMatch(/train\(\) is not started: a signal has stopped the script in its call 1, of train\(\)/);
  expect(status).toBe(130);
  expect(stdout).not.toContain('never');
  expect(existsSync(work.file('runs', name, 'checkpoints'))).toBe(true);
});

test('after a signal a script may look at what it has, and choose its own status', () => {
  const { status, stdout, stderr } = scripts.run(
    'looks.mjs',
    `${interrupting}
     const { interrupted, folder, summary } = await train({ ...${onReference('looks')}, model: mine(8) }, { events });
     const refused = await resume(folder, { model: mine(8) }).catch((error) => error.code);
     console.log(interrupted, summary.steps, refused, process.exitCode);
     process.exitCode = 3;`,
  );
  expect(stdout, stderr).toContain('true 1 launch/stopped-before 130');
  expect(status).toBe(3);
});

testOfRanks(2)('under another launcher a signal to one process stops the scripts of all', async () => {
  const ranks = await scripts.runInRanks(
    'ranks_stopped.mjs',
    `${interrupting}
     for (const dim of [8, 12]) await train({ ...options('ranks stopped'), steps: 1000000, ranks: 2, model: mine(dim) }, { events });`,
  );
  for (const { status, stderr } of ranks) {
    expect(stderr).toContain('launch/stopped-before');
    expect(status).toBe(130);
  }
});

/** A script under another launcher: one job, of which the two tests that follow look at different calls. */
let outerJob: Promise<readonly Ended[]> | undefined;
const inOuterJob = () =>
  (outerJob ??= scripts.runInRanks(
    'ranks.mjs',
    `const folders = options('').logging.directory;
     await resume(folders + '/no such run').catch(() => console.log('failed'));
     for (const dim of [8, 12]) {
       const ended = await train({ ...options('ranks ' + dim), ranks: 2, model: mine(dim) });
       console.log(ended.summary.steps, ended.leads, ended.folder.slice(folders.length));
       console.log('loss', dim, ended.summary.trainingLoss);
     }
     await train({ ...options('contradicts'), ranks: 1 }).catch((error) => console.log(error.message));
     const { folder } = await train({ ...options('takes'), ranks: null });
     await resume(folder, { overrides: ['steps=3', 'ranks=3'] }).catch((error) => console.log(error.message));`,
  ));

testOfRanks(2)('under another launcher every process makes every call, and goes on after one that failed', async () => {
  const ranks = await inOuterJob();
  // What a script may choose by is the same in all of its processes.
  const losses = ranks.map(({ stdout }) => stdout.split('\n').filter((line) => /^loss \d+ \d/.test(line)));
  expect(losses[0]).toHaveLength(2);
  expect(losses[1]).toEqual(losses[0]);
  ranks.forEach(({ status, stdout, stderr }, rank) => {
    expect(status, stderr).toBe(0);
    const own = stdout.split('\n').filter((line) => /^(failed|2 )/.test(line));
    expect(own).toEqual(['failed', `2 ${rank === 0} /ranks 8`, `2 ${rank === 0} /ranks 12`]);
  });
  for (const dim of [8, 12]) expect(embedding(`ranks ${dim}`, 2)).toEqual([270, dim]);
});

testOfRanks(2)(
  'under another launcher other ranks than it has started are refused, and null takes those there are',
  async () => {
    const [{ status, stdout, stderr }] = await inOuterJob();
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('the launcher has started 2 ranks, and the configuration asks for 1 [train/ranks-differ]');
    expect(stdout).toContain('the launcher has started 2 ranks, and the configuration asks for 3 [train/ranks-differ]');
    expect(existsSync(work.file('runs', 'contradicts'))).toBe(false);
    const config = JSON.parse(readFileSync(work.file('runs', 'takes', 'config.json'), 'utf8')) as { ranks: unknown };
    expect(config.ranks).toBeNull();
  },
);

testOfRanks(1)('a script that removes its run in a rank is told so', () => {
  const { status, stderr } = scripts.run(
    'removes.mjs',
    `import { rmSync } from 'node:fs';
     rmSync(options('').logging.directory + '/removed', { recursive: true, force: true });
     await train({ ...options('removed'), model: mine(8) });`,
  );
  expect(status).not.toBe(0);
  expect(stderr).toContain('launch/folder-gone');
  expect(stderr).toContain('runs again in every rank');
});

// In TypeScript, which each rank reads by the loader that its script was started with.
testOfRanks(1)('a script that takes another way in a rank is refused, and its run is not another one', () => {
  const { status, stderr } = scripts.run(
    'chance.mts',
    `// As a script would whose sizes come from the clock.
     const dim: number = process.env.RANK === undefined ? 8 : 12;
     await train({ ...options('chance'), model: mine(dim) });`,
  );
  expect(status).not.toBe(0);
  expect(stderr).toContain('launch/another-model');
});

test('calls at the same time run one after the other', () => {
  const { status, stdout, stderr } = scripts.run(
    'together.mjs',
    `const at = (name) => train({ ...options(name), engine: 'reference', device: 'cpu', steps: 1, model: mine(8) });
     const [a, b] = await Promise.all([at('a'), at('b').then((ended) => (console.log('b'), ended))]);
     console.log(a.summary.name, b.summary.name);`,
  );
  expect(status, stderr).toBe(0);
  expect(stdout).toBe('b\na b\n');
});
