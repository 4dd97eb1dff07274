/** The native addon: native/build/flotilla.node, rebuilt when torch, the compiler or a source changes. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  SetupError,
  filesUnder,
  firstLine,
  hashOf,
  readStamp,
  root,
  runTool,
  step,
  withLock,
  writeStamp,
} from './steps.mjs';

const sources = path.join(root, 'native');
const build = path.join(sources, 'build');
const stamp = path.join(build, 'stamp');
const addon = path.join(build, 'flotilla.node');

/** What the build depends on, as one hash. @param {import('./locate_torch.mjs').TorchAttempt} torch */
export function nativeStamp(torch) {
  const files = [...filesUnder(sources, ['.cpp', '.h', 'target'], ['build']), path.join(sources, 'CMakeLists.txt')];
  const headers = ['node-addon-api', 'node-api-headers'].map((name) =>
    path.join(root, 'node_modules', name, 'package.json'),
  );
  return hashOf(
    [torch.path, torch.version, compilerVersion() ?? 'no compiler'],
    [...files, ...headers.filter(existsSync)],
  );
}

export function nativeReady(torch) {
  return existsSync(addon) && readStamp(stamp) === nativeStamp(torch);
}

/** The first line of `c++ --version`, or null where there is no compiler. */
export function compilerVersion() {
  return firstLine(compiler(), ['--version']);
}

/** `visible` shows what the tools print as they go. @param {import('./locate_torch.mjs').TorchAttempt} torch */
export async function buildNative(torch, { visible = false } = {}) {
  if (nativeReady(torch)) return;
  await withLock('native', async () => {
    if (nativeReady(torch)) return;
    await step(
      `native engine against torch ${torch.version} (about two minutes where nothing is built yet)`,
      async () => {
        const wanted = nativeStamp(torch);
        rmSync(stamp, { force: true });
        await compileAddon(torch, { folder: build, visible });
        writeStamp(stamp, wanted);
      },
    );
  });
}

/**
 * Compiles the addon into `folder`/flotilla.node, on all cores; with ninja where there is one, unless the folder is configured for
 * another tool already. `definitions` are CMake's, besides those that name torch.
 * @param {import('./locate_torch.mjs').TorchAttempt} torch
 * @param {{ folder: string, definitions?: readonly string[], visible?: boolean }} options
 */
export async function compileAddon(torch, { folder, definitions = [], visible = false }) {
  requireTools();
  const ninja = firstLine('ninja', ['--version']) !== null;
  const lostNinja = configured(folder, 'CMAKE_GENERATOR') === 'Ninja' && !ninja;
  if (configured(folder, 'FLOTILLA_TORCH') !== torch.path || lostNinja)
    rmSync(folder, { recursive: true, force: true });
  const fix =
    'the messages above are the compiler’s; g++ 11 or newer and CMake 3.18 or newer are needed, and `flotilla doctor` shows what was found';
  const configure = [
    ninja && configured(folder, 'CMAKE_GENERATOR') === null ? ['-G', 'Ninja'] : [],
    ['-S', sources, '-B', folder, '-DCMAKE_BUILD_TYPE=Release', `-DCMAKE_CXX_COMPILER=${compiler()}`],
    [
      `-DFLOTILLA_TORCH=${torch.path}`,
      `-DFLOTILLA_TORCH_VERSION=${torch.version}`,
      `-DFLOTILLA_TORCH_CUDA=${torch.cuda ?? ''}`,
    ],
    definitions,
  ];
  await runTool('cmake', configure.flat(), { fix, visible });
  await runTool('cmake', ['--build', folder, '--parallel', String(os.availableParallelism())], { fix, visible });
}

function compiler() {
  return process.env.CXX || 'c++';
}

function requireTools() {
  if (!firstLine('cmake', ['--version']))
    throw new SetupError('cmake is not installed', 'install CMake 3.18 or newer (Debian: apt install cmake)');
  if (!compilerVersion())
    throw new SetupError(
      `no C++ compiler: ${compiler()} cannot be run`,
      'install g++ 11 or newer (Debian: apt install g++), or name a compiler in CXX',
    );
}

/**
 * A variable that a build folder is configured with, or null.
 * @param {string} folder @param {string} variable
 */
export function configured(folder, variable) {
  const cache = path.join(folder, 'CMakeCache.txt');
  if (!existsSync(cache)) return null;
  return new RegExp(`^${variable}:\\w+=(.*)$`, 'm').exec(readFileSync(cache, 'utf8'))?.[1] ?? null;
}
