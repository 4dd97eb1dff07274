/** The npm packages of package-lock.json. */
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { withLock } from './locks.mjs';
import { root } from './places.mjs';
import { hashOf, readStamp, runTool, step, writeStamp } from './steps.mjs';

const lockfile = path.join(root, 'package-lock.json');
const stamp = path.join(root, 'node_modules', '.flotilla-stamp');

export function npmPackagesReady() {
  return existsSync(lockfile) && readStamp(stamp) === hashOf([], [lockfile]);
}

export async function installNpmPackages() {
  if (npmPackagesReady()) return;
  await withLock('npm', async () => {
    if (npmPackagesReady()) return;
    await step('npm packages from package-lock.json (npm ci)', async () => {
      rmSync(stamp, { force: true }); // npm empties the folder first, and may be stopped while it does
      const [npm, ...args] = npmCommand();
      await runTool(npm, [...args, 'ci', '--no-audit', '--no-fund'], {
        fix: 'check that npm can reach its registry (npm ping), then try again',
      });
      writeStamp(stamp, hashOf([], [lockfile]));
    });
  });
}

/** Under `npm run` and `npx`, npm names itself; on Windows it is no program that can be started, but a script beside Node. */
function npmCommand() {
  if (/npm-cli\.js$/.test(process.env.npm_execpath ?? '')) return [process.execPath, process.env.npm_execpath];
  const beside = path.join(path.dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js');
  return process.platform === 'win32' && existsSync(beside) ? [process.execPath, beside] : ['npm'];
}
