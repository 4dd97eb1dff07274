#!/usr/bin/env node
/**
 * The commands of package.json: `node scripts/run.mjs demo | test | bench | mutants | fuzz | gpu:pack | gpu:dry-run | gpu:build | setup |
 * build`. Each first does the set-up that it needs and that is still to do, then runs the command; what follows the command's name is
 * passed on to it.
 */
import './setup/node_version.mjs';
import { spawn } from 'node:child_process';
import path from 'node:path';

const { root } = await import('./setup/places.mjs');
const { SetupError, endAtSignals, failureText, setupSeconds } = await import('./setup/steps.mjs');
const { setUp } = await import('./setup/all.mjs');
const { earlyAnswer } = await import('./setup/help.mjs');
const { installNpmPackages } = await import('./setup/npm_packages.mjs');
const { findOrInstallTorch } = await import('./setup/python_environment.mjs');
const { buildTypescript } = await import('./setup/typescript_build.mjs');

const commands = {
  demo,
  test,
  bench: program('bench/main.js'),
  mutants: program('bench/mutants.js'),
  fuzz: program('tests/fuzz/main.js'),
  'gpu:pack': program('bench/gpu/pack/main.js'),
  'gpu:dry-run': program('bench/gpu/pack/dry_run.js'),
  'gpu:build': program('bench/gpu/pack/build.js'),
  setup: async () => 0,
  build: async () => 0,
};
/** Where less than all of set-up is needed: the native engine is built from the pack. */
const setUps = {
  'gpu:pack': installNpmPackages,
  'gpu:dry-run': () => installNpmPackages().then(findOrInstallTorch),
  'gpu:build': installNpmPackages,
  build: installNpmPackages,
};
const [name, ...args] = process.argv.slice(2);
const command = commands[name];
if (!command) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(commands).join(' | ')}`);
  process.exit(2);
}
// The demo's help needs nothing built; another program's is its own.
const answer = name === 'demo' ? earlyAnswer(['demo', ...args]) : null;
if (answer) process.stdout.write(answer.text);
else await setUpAndRun();

async function setUpAndRun() {
  const again = name === 'test' ? 'npm test' : `npm run ${name}`;
  const leave = endAtSignals(again);
  try {
    const complete = await (setUps[name] ?? setUp)();
    if (name !== 'test') await buildTypescript();
    if (name === 'setup') console.error(`set-up: complete (${setupSeconds().toFixed(1)} s)`);
    if (name === 'demo' && complete === false) throw noEngine();
  } catch (error) {
    const text = failureText(error, again);
    if (text === null) throw error;
    console.error(text);
    process.exitCode = 1;
    return;
  } finally {
    leave();
  }
  process.exitCode = await command(args);
}

function noEngine() {
  return new SetupError(
    'the demo trains on the native engine, which this platform has not',
    '`npx flotilla train CONFIG --engine reference` trains a tiny model here',
  );
}

function demo(args) {
  return node(['--import', './dist/bundle/first.js', 'dist/bundle/main.js', 'demo', ...args]);
}

function program(file) {
  return (args) => node([`dist/${file}`, ...args]);
}

/** Type check, lint and all tests; or, with arguments, the tests they name alone. */
async function test(args) {
  const start = performance.now();
  const tool = (file) => path.join('node_modules', file);
  /** @type {[what: string, run: () => Promise<number>][]} Each keeps one core busy. */
  const checks = [
    ['type check', () => buildTypescript().then(() => 0, report)],
    ['eslint', () => node([tool('eslint/bin/eslint.js'), '.'])],
    ['prettier', () => node([tool('prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'])],
  ];
  const failed = [];
  const check = async ([what, run]) => {
    const began = performance.now();
    const status = await run();
    console.error(
      `${what}: ${status === 0 ? 'passed' : 'FAILED'} in ${((performance.now() - began) / 1000).toFixed(1)} s`,
    );
    if (status !== 0) failed.push(what);
  };
  const due = args.length ? [] : checks;
  const someChecks = async () => {
    for (let next = due.shift(); next; next = due.shift()) await check(next);
  };
  await Promise.all([someChecks(), someChecks()]);
  await check(['tests', () => node([tool('vitest/vitest.mjs'), 'run', ...args])]);
  const total = `${((performance.now() - start) / 1000).toFixed(0)} s, after ${setupSeconds().toFixed(0)} s of set-up`;
  console.error(
    failed.length ? `npm test: ${failed.join(', ')} failed (${total})` : `npm test: everything passed (${total})`,
  );
  return failed.length ? 1 : 0;
}

function report(error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  return 1;
}

/** Runs a Node script in the terminal; resolves to its exit status. */
function node(args) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, FLOTILLA_SETUP_SECONDS: setupSeconds().toFixed(1) };
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit', env });
    // A terminal sends Ctrl-C to the child as well, where it counts once; this process waits for it, so that its farewell is seen.
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'];
    const forward = (signal) => child.kill(signal);
    for (const signal of signals) process.on(signal, forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const one of signals) process.off(one, forward);
      resolve(code ?? (signals.includes(signal) ? 130 : 1));
    });
  });
}
