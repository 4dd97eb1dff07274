/**
 * `npm run gpu:build`: compiles here what a GPU machine will compile. The addon of the pack is built anew against a CUDA torch, on all
 * cores: with our stand-ins for three headers of the CUDA toolkit, and where a toolkit is found, with its own. Each is then loaded.
 *
 * The torch is what FLOTILLA_TORCH names, if it is built for CUDA, else one installed in .cache/.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { locateTorch, type TorchAttempt } from '../../../src/engine/native/locate.js';
import { packageRoot } from '../../../src/engine/native/package_root.js';
import { makePack } from './pack.js';

/** The torch of the machines that the pack is made for. */
const version = '2.11.0';

const root = packageRoot();
const work = path.join(root, '.cache', 'gpu-build');
const torch = await cudaTorch();
console.log(`torch ${torch.version}, CUDA ${torch.cuda}: ${torch.path}`);
const tree = unpack(makePack());
const { compileAddon } = (await import(
  pathToFileURL(path.join(tree, 'scripts', 'setup', 'native_build.mjs')).href
)) as { compileAddon(torch: TorchAttempt, options: { folder: string; definitions: readonly string[] }): Promise<void> };

for (const { name, headers } of headerSets()) {
  try {
    await buildWith(name, headers);
  } catch (error) {
    console.error(`with ${name}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

async function buildWith(name: string, headers: string): Promise<void> {
  const folder = path.join(work, name);
  rmSync(folder, { recursive: true, force: true });
  console.log(`with ${name} (${headers}) …`);
  const start = performance.now();
  await compileAddon(torch, { folder, definitions: [`-Dcrt_include=${headers}`] });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`with ${name}: built in ${seconds} s on ${os.availableParallelism()} cores`);
  // In a process of its own: one process loads one libtorch.
  const tell = 'console.log(JSON.stringify(require(process.argv[1]).describe()))';
  const addon = path.join(folder, 'flotilla.node');
  const described = execFileSync(process.execPath, ['-e', tell, addon], { encoding: 'utf8' });
  console.log(`with ${name}: loads; ${described.trim()}`);
}

/** What FLOTILLA_TORCH names, or an environment of our own with the wheels that pip's index has, which are CUDA's on Linux x86-64. */
async function cudaTorch(): Promise<TorchAttempt> {
  if (process.env.FLOTILLA_TORCH) {
    const { found } = await locateTorch();
    if (found?.cuda) return found;
    console.log(`FLOTILLA_TORCH names a torch without CUDA; one with it is installed in .cache/`);
  }
  const environment = path.join(root, '.cache', `torch-${version}`);
  const there = () => locateTorch({ ...process.env, FLOTILLA_TORCH: environment });
  if (!(await there()).found) {
    console.log(`installing torch ${version} with CUDA (4 GB) …`);
    execFileSync('python3', ['-m', 'venv', environment], { stdio: 'inherit' });
    const pip = path.join(environment, 'bin', 'pip');
    execFileSync(pip, ['install', '--no-input', '--quiet', `torch==${version}`], { stdio: 'inherit' });
  }
  const { found } = await there();
  if (!found?.cuda)
    throw new Error(`${environment} has torch ${found?.version ?? '(none)'}, which is not built for CUDA`);
  return found;
}

/** Unpacks what the build takes, as gpu.sh does. */
function unpack(pack: string): string {
  const tree = path.join(work, 'pack');
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  const script = 'import sys, tarfile; tarfile.open(sys.argv[1], "r|xz").extractall(sys.argv[2])';
  for (const name of readdirSync(pack).filter((name) => name.endsWith('.tar.xz') && name !== 'node.tar.xz'))
    execFileSync('python3', ['-c', script, path.join(pack, name), tree], { stdio: 'inherit' });
  return tree;
}

/** Where the headers come from that torch's wheels lack. */
function headerSets(): readonly { readonly name: string; readonly headers: string }[] {
  const toolkit = [process.env.CUDA_HOME ?? '', '/usr/local/cuda']
    .filter(Boolean)
    .map((home) => path.join(home, 'include'))
    .find((folder) => existsSync(path.join(folder, 'crt', 'host_config.h')));
  if (!toolkit) console.log('no CUDA toolkit was found (CUDA_HOME, /usr/local/cuda): stand-ins alone');
  return [
    { name: 'stand-ins', headers: path.join(tree, 'native', 'cuda') },
    ...(toolkit ? [{ name: 'toolkit', headers: toolkit }] : []),
  ];
}
