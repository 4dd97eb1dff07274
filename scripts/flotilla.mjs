#!/usr/bin/env node
/** The `flotilla` command: dist/src/cli/main.js, built first where the sources have changed. */
import './setup/node_version.mjs';
import { existsSync } from 'node:fs';
import path from 'node:path';

const { SetupError, root } = await import('./setup/steps.mjs');
const { installNpmPackages } = await import('./setup/npm_packages.mjs');
const { buildTypescript } = await import('./setup/typescript_build.mjs');

// A signal ends the set-up; from then on the command listens.
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'];
const end = (signal) => {
  console.error(`stopped by ${signal}`);
  process.exit(130);
};
for (const signal of stopSignals) process.on(signal, end);
try {
  // A published package holds dist/ and no sources.
  if (existsSync(path.join(root, 'src'))) {
    await installNpmPackages();
    await buildTypescript();
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`flotilla cannot be built: ${error.message}\n  fix    ${error.fix}`);
  process.exit(1);
}
const dist = (file) => new URL(`file://${root}/dist/src/${file}`).href;
await import(dist('launch/first.js'));
for (const signal of stopSignals) process.off(signal, end);
await import(dist('cli/main.js'));
