/** The npm packages of package-lock.json. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { hashOf, readStamp, root, runTool, step, withLock, writeStamp } from './steps.mjs';

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
      // Under `npm run`, npm names itself; its own notices are of no use here.
      const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
      await runTool(npm[0], [...npm.slice(1), 'ci', '--no-audit', '--no-fund'], {
        fix: 'check that npm can reach its registry (npm ping), then try again',
      });
      writeStamp(stamp, hashOf([], [lockfile]));
    });
  });
}
