#!/usr/bin/env node
/**
 * The `flotilla` command: dist/bundle/main.js, in a checkout built first where the sources have changed. What needs nothing built is
 * answered before: help, the version, and what doctor can say of a machine.
 */
import './setup/node_version.mjs';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const { bundle, flotillaCommand, isCheckout } = await import('./setup/places.mjs');
const { endAtSignals, failureText, setupSeconds } = await import('./setup/steps.mjs');
const args = process.argv.slice(2);
const isBuilt = isCheckout ? await isUpToDate() : true;

const answer = isBuilt ? null : (await import('./setup/help.mjs')).earlyAnswer(args);
if (answer) {
  (answer.isError ? process.stderr : process.stdout).write(answer.text);
  process.exitCode = answer.isError ? 1 : 0;
} else if (args.find((arg) => !arg.startsWith('-')) === 'doctor' && !isBuilt) {
  await doctor();
} else if (args[0] === 'setup' && args.length === 1) {
  await setUp();
} else {
  await runCommand();
}

async function isUpToDate() {
  const { npmPackagesReady } = await import('./setup/npm_packages.mjs');
  const { typescriptReady } = await import('./setup/typescript_build.mjs');
  return npmPackagesReady() && typescriptReady();
}

/** Doctor waits for no compiler: an older build says what it can, and where there is none, set-up's half answers alone. */
async function doctor() {
  if (existsSync(path.join(bundle, 'main.js'))) {
    try {
      return await importBuilt('main.js');
    } catch (error) {
      console.error(`(the programs that are built do not start: ${error.message})`);
    }
  }
  const { examineMachine, findingsText } = await import('./setup/machine.mjs');
  const findings = await examineMachine();
  console.log(findingsText(findings));
  process.exitCode = findings.some(({ status }) => status === 'problem') ? 1 : 0;
}

async function setUp() {
  const again = `${flotillaCommand} setup`;
  const leave = endAtSignals(again);
  try {
    const { setUp, setUpPrograms } = await import('./setup/all.mjs');
    const native = await setUp();
    await setUpPrograms();
    const what = native ? 'complete' : 'complete without the native engine';
    console.error(`set-up: ${what} (${setupSeconds().toFixed(1)} s)`);
  } catch (error) {
    fail(error, again);
  }
  leave();
}

async function runCommand() {
  const again = [flotillaCommand, ...args].join(' ');
  const leave = endAtSignals(again);
  try {
    if (!isBuilt) await (await import('./setup/all.mjs')).setUpPrograms();
    // From here on the command itself listens to signals.
    await importBuilt('first.js');
  } catch (error) {
    fail(error, again);
    return;
  } finally {
    leave();
  }
  await importBuilt('main.js');
}

function importBuilt(file) {
  return import(pathToFileURL(path.join(bundle, file)).href);
}

function fail(error, again) {
  const text = failureText(error, again);
  if (text === null) throw error;
  console.error(text);
  process.exitCode = 1;
}
