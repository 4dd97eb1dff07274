/**
 * The native addon, native/build/flotilla.node: taken from the user's cache or compiled, when torch, the compiler or a source has changed.
 *
 * An addon holds no path of torch. It finds the libraries by a link beside itself, `torch`, so that it serves any copy of the same torch.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { withLock } from './locks.mjs';
import { keepCached, takeCached } from './native_cache.mjs';
import { isCheckout, nativeFolder, root, workFolder } from './places.mjs';
import { buildCounter } from './progress.mjs';
import { SetupError, filesUnder, firstLine, hashOf, readStamp, runTool, step, writeStamp } from './steps.mjs';

const sources = path.join(root, 'native');

/** What compiling one source takes at the most. */
const bytesPerJob = 1.5e9;

/**
 * What is built, each with a hash of all that it is made of. The doubles of tests go into an addon of their own, which a package lacks.
 * @param {import('./locate_torch.mjs').TorchAttempt} torch
 */
function addons(torch) {
  const surroundings = [
    ...[torch.version, torch.cuda ?? 'no cuda', ...librariesOf(torch.path), ...cudaHeadersOf(torch.path)],
    ...[
      compilerVersion() ?? 'no compiler',
      process.env.CXXFLAGS ?? '',
      process.env.LDFLAGS ?? '',
      process.env.CUDA_HOME ?? '',
    ],
    ...[os.arch(), firstLine('getconf', ['GNU_LIBC_VERSION']) ?? ''],
    ...headerPackages().map(({ version }) => version),
  ];
  const made = (/** @type {string} */ file, /** @type {string[]} */ skipped) => ({
    file,
    key: hashOf(surroundings, [
      ...filesUnder(sources, ['.cpp', '.h', 'target'], ['build', 'preload', ...skipped]),
      path.join(sources, 'CMakeLists.txt'),
    ]),
  });
  const doubles = existsSync(path.join(sources, 'testing')) ? [made('flotilla_testing.node', [])] : [];
  return [made('flotilla.node', ['testing']), ...doubles];
}

/** What tells one build of a torch version from another. @param {string} torch */
function librariesOf(torch) {
  return ['libtorch_cpu.so', 'libc10.so', 'libtorch_cuda.so'].map((name) => {
    const size = statSync(path.join(torch, 'lib', name), { throwIfNoEntry: false })?.size;
    return `${name} ${size ?? 'none'}`;
  });
}

/** Headers of NCCL and the CUDA runtime come as wheels beside torch: with them there is one more backend. @param {string} torch */
function cudaHeadersOf(torch) {
  const wheels = path.join(torch, '..', 'nvidia');
  if (!existsSync(wheels)) return [];
  const headers = readdirSync(wheels).flatMap((name) =>
    ['nccl.h', 'cuda_runtime.h'].map((header) => path.join(wheels, name, 'include', header)),
  );
  return headers
    .filter(existsSync)
    .sort()
    .map((file) => `${path.relative(wheels, file)} ${statSync(file).size}`);
}

/** The npm packages with headers, wherever npm has put them: beside this package or into it. */
function headerPackages() {
  const require = createRequire(path.join(root, 'package.json'));
  return ['node-addon-api', 'node-api-headers'].map((name) => {
    const manifest = require.resolve(`${name}/package.json`);
    return { folder: path.dirname(manifest), version: `${name} ${JSON.parse(readFileSync(manifest, 'utf8')).version}` };
  });
}

/** Whether the addon is there, built of these sources, and finds this torch. @param {import('./locate_torch.mjs').TorchAttempt} torch */
export function nativeReady(torch) {
  const folder = nativeFolder();
  return isBuilt(folder, addons(torch)) && linkedTorch(folder) === torch.path;
}

function isBuilt(folder, made) {
  return made.every(({ file }) => existsSync(path.join(folder, file))) && readStamp(stampIn(folder)) === stampOf(made);
}

const stampIn = (/** @type {string} */ folder) => path.join(folder, 'stamp');
const stampOf = (/** @type {{ key: string }[]} */ made) => made.map(({ key }) => key).join(' ');

/** The first line of `c++ --version`, or null where there is no compiler. */
export function compilerVersion() {
  return firstLine(compiler(), ['--version']);
}

/**
 * Sees to it that the addon is there; returns how it came: it was `there`, was taken from the `cache`, or was `built`.
 * `visible` shows what the tools print as they go.
 * @param {import('./locate_torch.mjs').TorchAttempt} torch @returns {Promise<'there' | 'cache' | 'built'>}
 */
export async function buildNative(torch, { visible = false } = {}) {
  const made = addons(torch);
  const came = nativeReady(torch) ? 'there' : await withLock('native', () => bring(torch, made, visible));
  for (const { key, file } of made) keepCached(key, path.join(nativeFolder(), file));
  return came;
}

async function bring(torch, made, visible) {
  const folder = path.join(workFolder(), 'native', 'build');
  mkdirSync(folder, { recursive: true });
  const came = isBuilt(folder, made) ? 'there' : await make(folder, torch, made, visible);
  linkTorch(folder, torch.path);
  writeStamp(stampIn(folder), stampOf(made));
  return came;
}

async function make(folder, torch, made, visible) {
  rmSync(stampIn(folder), { force: true });
  if (made.every(({ key, file }) => takeCached(key, path.join(folder, file)))) {
    console.error('set-up: native engine: taken from the user’s cache, where it was built before');
    return 'cache';
  }
  await step(`native engine against torch ${torch.version}`, (tell) => compileAddon(torch, { folder, visible, tell }));
  if (!isCheckout) removeObjects(folder, made);
  return 'built';
}

/** Nobody changes the sources of an installed package, and what was compiled on the way has 400 megabytes. */
function removeObjects(folder, made) {
  const kept = [...made.map(({ file }) => file), 'torch'];
  for (const name of readdirSync(folder))
    if (!kept.includes(name)) rmSync(path.join(folder, name), { recursive: true });
}

/**
 * Compiles the addon into `folder`/flotilla.node, on all cores; with ninja where there is one, unless the folder is configured for
 * another tool already. `definitions` are CMake's, besides those that name torch; `tell` hears how far it has come.
 * @param {import('./locate_torch.mjs').TorchAttempt} torch
 * @param {{ folder: string, definitions?: readonly string[], visible?: boolean, tell?: (text: string) => void }} options
 */
export async function compileAddon(torch, { folder, definitions = [], visible = false, tell = () => {} }) {
  requireTools();
  const ninja = firstLine('ninja', ['--version']) !== null;
  const begun = path.join(folder, 'begun');
  if (!canGoOn(folder, torch, ninja)) rmSync(folder, { recursive: true, force: true });
  writeStamp(begun, 'compiling');
  linkTorch(folder, torch.path);
  const fix =
    'the messages above are those of CMake or the compiler; g++ 11 or newer and CMake 3.18 or newer are needed';
  const [addonApi, apiHeaders] = headerPackages();
  const configure = [
    ninja && configured(folder, 'CMAKE_GENERATOR') === null ? ['-G', 'Ninja'] : [],
    ['-S', sources, '-B', folder, '-DCMAKE_BUILD_TYPE=Release', `-DCMAKE_CXX_COMPILER=${compiler()}`],
    [
      `-DFLOTILLA_TORCH=${torch.path}`,
      `-DFLOTILLA_TORCH_VERSION=${torch.version}`,
      `-DFLOTILLA_TORCH_CUDA=${torch.cuda ?? ''}`,
      `-DFLOTILLA_ADDON_API=${addonApi.folder}`,
      `-DFLOTILLA_API_HEADERS=${path.join(apiHeaders.folder, 'include')}`,
    ],
    definitions,
  ];
  tell('configuring');
  await runTool('cmake', configure.flat(), { fix, visible });
  const count = buildCounter(filesUnder(sources, ['.cpp'], ['build', 'preload']).length);
  const onLine = (/** @type {string} */ line) => {
    const progress = count(line);
    if (progress) tell(progress);
  };
  await runTool('cmake', ['--build', folder, '--parallel', String(jobs())], { fix, visible, onLine });
  rmSync(begun);
}

/**
 * Whether a build folder is this one's, where it stands now, and what stopped in it can be gone on with: make takes half an object file
 * for a whole one, where ninja keeps a record.
 */
function canGoOn(folder, torch, ninja) {
  const generator = configured(folder, 'CMAKE_GENERATOR');
  return (
    configured(folder, 'FLOTILLA_TORCH') === torch.path &&
    configured(folder, 'CMAKE_HOME_DIRECTORY') === sources &&
    configured(folder, 'CMAKE_CACHEFILE_DIR') === folder &&
    (generator === 'Ninja' ? ninja : !existsSync(path.join(folder, 'begun')))
  );
}

/** The torch package that the addon in `folder` finds, or null. @param {string} folder */
function linkedTorch(folder) {
  const link = path.join(folder, 'torch');
  return lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(link) : null;
}

function linkTorch(folder, torch) {
  if (linkedTorch(folder) === torch) return;
  rmSync(path.join(folder, 'torch'), { recursive: true, force: true });
  symlinkSync(torch, path.join(folder, 'torch'));
}

/** As many as there are cores, and memory for. */
function jobs() {
  const bytes = Math.min(os.freemem(), process.constrainedMemory?.() || Infinity);
  return Math.max(1, Math.min(os.availableParallelism(), Math.floor(bytes / bytesPerJob)));
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
