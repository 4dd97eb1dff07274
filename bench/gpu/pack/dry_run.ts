/**
 * `npm run gpu:dry-run`: the pack alone, copied to an empty folder, run on the CPU as a bare machine would: no Node on PATH, an empty
 * home, nothing in the environment but the torch to use, no network where that can be had. Options are gpu.sh's.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { locateTorch } from '../../../src/engine/native/locate.js';
import { packageRoot } from '../../../src/engine/native/package_root.js';
import { pathWithoutNode, withoutNetwork } from './bare_machine.js';
import { makePack } from './pack.js';

const pack = makePack();
const { found: torch } = await locateTorch();
if (!torch?.path) throw new Error('no torch was found: name one in FLOTILLA_TORCH');
const machine = mkdtempSync(path.join(os.tmpdir(), 'flotilla-bare-'));
try {
  process.exitCode = await run(machine, torch.path);
} finally {
  rmSync(machine, { recursive: true, force: true });
}

async function run(machine: string, torch: string): Promise<number> {
  const [home, scratch] = ['home', 'scratch'].map((name) => path.join(machine, name));
  for (const folder of [home, scratch]) mkdirSync(folder);
  cpSync(pack, path.join(machine, '.gpu'), { recursive: true });
  const offline = withoutNetwork();
  console.log(
    `as a bare machine with torch ${torch}, ${offline.length ? 'without a network' : 'with a network, which this user cannot take away'}`,
  );
  const out = path.join(packageRoot(), 'gpu-results');
  const command = [
    ...[...offline, 'bash', path.join(machine, '.gpu', 'gpu.sh'), '--device', 'cpu', '--out', out],
    ...process.argv.slice(2),
  ];
  const env = {
    PATH: pathWithoutNode(process.env.PATH ?? '', machine),
    HOME: home,
    TMPDIR: scratch,
    FLOTILLA_TORCH: torch,
  };
  const start = performance.now();
  const child = spawn(command[0], command.slice(1), { cwd: machine, env, stdio: 'inherit' });
  // Ctrl-C reaches gpu.sh too, which ends its stages; what it says of them is waited for.
  process.on('SIGINT', () => {}).on('SIGTERM', () => child.kill('SIGTERM'));
  const status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(`dry run: ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s on ${os.availableParallelism()} cores`);
  return status;
}
