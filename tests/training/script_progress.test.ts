import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { testOfRanks } from '../../src/engine/native/testing/tests_by_device.js';
import { Scripts } from './script_runs.js';
import { Workplace } from './tiny_run.js';

// What a script shows of its runs, and of what is refused.

const work = new Workplace();
afterAll(() => work.remove());
const scripts = new Scripts(work);

test('train and resume show what the CLI shows, and name the folder; a listener is told all the same', () => {
  const { status, stdout, stderr } = scripts.run(
    'shows.mjs',
    `const events = trainEvents();
     const kinds = new Set();
     events.subscribe(({ kind }) => kinds.add(kind));
     const { folder } = await train(onReference('shows'), { events });
     await resume(folder, { overrides: ['steps=3'] });
     // Parts of the set-up are told where they take long.
     kinds.delete('setup_progress');
     console.log([...kinds].sort().join());`,
    { shows: true },
  );
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/run shows: 1 rank, reference on cpu, f32, 2 steps\n/);
  expect(stdout).toMatch(/step 1\/2: loss \d/);
  expect(stdout).toContain(`folder   ${work.file('runs', 'shows')}`);
  expect(stdout).toContain('run shows: 1 rank, reference on cpu, f32, 3 steps, from step 2\n');
  expect(stdout).toContain('checkpoint,compiled,curve,setup_finished,setup_started,started,step,summary,validation\n');
});

test('logging.console: false shows nothing, of a run that is gone on with too', () => {
  const { status, stdout, stderr } = scripts.run(
    'silent.mjs',
    `const { folder } = await train(onReference('silent'));
     await resume(folder, { overrides: ['steps=3'] });
     console.log('mine');
     await resume(folder, { overrides: ['steps=4', 'logging.console=true'] });`,
  );
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/^mine\n/);
  expect(stdout).toContain('from step 3');
  expect(stderr).toBe('');
  // The log in its folder is the run's own.
  expect(readFileSync(work.file('runs', 'silent', 'log.txt'), 'utf8')).toMatch(/step 1\/2: loss/);
});

testOfRanks(2)('one process shows a run of several ranks, once', async () => {
  const script = (name: string) => `await train({ ...options('${name}'), ranks: 2, model: mine(8) });`;
  const { status, stdout, stderr } = scripts.run('once.mjs', script('once'), { shows: true });
  expect(status, stderr).toBe(0);
  expect(stdout.match(/^step 2\/2/gm)).toHaveLength(1);
  const ranks = await scripts.runInRanks('once_outer.mjs', script('once outer'), { shows: true });
  expect(ranks[0].stdout.match(/^step 2\/2/gm), ranks[0].stderr).toHaveLength(1);
  expect(ranks[1].stdout, ranks[1].stderr).toBe('');
});

const refused = `await train({ ...onReference('refused'), steps: -1 });`;
const word = /^option 'steps' must be [^\n]* \[config\/wrong-option\]\n {2}where [^\n]*\n {2}fix {4}[^\n]*\n$/;

test.each([
  ['plain node', 'refused.mjs', refused],
  ['tsx', 'refused.mts', refused],
  ['an unhandled rejection', 'unhandled.mjs', `void train({ ...onReference('refused'), steps: -1 });`],
])('a diagnostic that nobody catches prints as a diagnostic: %s', (_, name, text) => {
  const { status, stderr } = scripts.run(name, text);
  expect(stderr).toMatch(word);
  expect(status).toBe(1);
});

const caught = (methods: readonly string[]) =>
  `await train({ ...onReference('refused'), steps: -1 }).catch((error) => {
     ${methods.map((method) => `console.${method}(error);`).join('\n')}
   });`;

test('a diagnostic that is caught prints as a diagnostic in console.log and console.error', () => {
  const { status, stdout, stderr } = scripts.run('caught.mjs', caught(['log', 'error']));
  expect(status).toBe(0);
  expect(stdout).toMatch(word);
  expect(stderr).toMatch(word);
});

test('FLOTILLA_VERBOSE adds where a diagnostic was raised, one that is caught and one that is not', () => {
  const env = { FLOTILLA_VERBOSE: '1' };
  const { status, stdout, stderr } = scripts.run('verbose.mjs', `${caught(['log'])}\n${refused}`, { env });
  expect(stdout).toMatch(/ at .*\n/);
  expect(stderr).toMatch(/ at .*\n/);
  expect(status).toBe(1);
});

test('other errors, and scripts that look after uncaught ones themselves, are left as they are', () => {
  expect(scripts.run('other.mjs', `throw new TypeError('mine');`).stderr).toMatch(/TypeError: mine\n {4}at /);
  const { status, stdout, stderr } = scripts.run(
    'own_handler.mjs',
    `process.on('uncaughtException', ({ code }) => (console.log(code), process.exit(5)));\n${refused}`,
  );
  expect([status, stdout.slice(0, 7), stderr]).toEqual([5, 'config/', '']);
  const monitored = scripts.run(
    'own_monitor.mjs',
    `process.on('uncaughtExceptionMonitor', ({ code }) => console.log(code));\n${refused}`,
  );
  expect([monitored.status, monitored.stdout.slice(0, 7)]).toEqual([1, 'config/']);
});
