/**
 * Finds a torch package to build and run with. Nothing is imported from it: that would take seconds.
 *
 * In this order: FLOTILLA_TORCH, LIBTORCH, the .venv of set-up, the active virtual environment, what python3 would import. The first
 * three and VIRTUAL_ENV may name the package itself (with lib/ and include/), a Python environment, or its site-packages.
 * Types in locate_torch.d.mts; shared by the set-up and by src/engine/native/locate.ts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { environments } from './places.mjs';

/** The oldest torch that the addon builds with. */
export const oldestTorch = '2.11';

/** The torch that set-up installs where there is none. */
export const installedTorch = '2.13.0';

export function locateTorch({ root, env = process.env }) {
  const attempts = [];
  const look = (source, place) => {
    const attempt = inspect(source, place);
    attempts.push(attempt);
    return attempt.status === 'found';
  };
  const done = () => ({ found: attempts.find((attempt) => attempt.status === 'found') ?? null, attempts });

  if (env.FLOTILLA_TORCH) {
    look('FLOTILLA_TORCH', env.FLOTILLA_TORCH); // said explicitly, so nothing else will do
    return done();
  }
  if (env.LIBTORCH && look('LIBTORCH', env.LIBTORCH)) return done();
  for (const environment of environments(env, root)) if (look('.venv', environment)) return done();
  if (env.VIRTUAL_ENV && look('VIRTUAL_ENV', env.VIRTUAL_ENV)) return done();
  look('python3', askPython('python3'));
  return done();
}

function inspect(source, place) {
  const attempt = { source, path: place, status: 'missing', version: null, cuda: null, python: null, detail: null };
  if (!place) return { ...attempt, detail: 'python3 finds no torch' };
  const folder = packageFolder(place);
  if (!folder) return { ...attempt, detail: existsSync(place) ? 'no torch in it' : 'does not exist' };
  const { version, cuda } = readVersion(folder);
  const found = { ...attempt, path: folder, version, cuda, python: pythonOf(folder) };
  if (!existsSync(path.join(folder, 'include', 'ATen')) || !existsSync(path.join(folder, 'lib', 'libtorch_cpu.so')))
    return { ...found, status: 'incomplete', detail: 'headers or libraries are missing' };
  if (!version) return { ...found, status: 'incomplete', detail: 'its version cannot be read' };
  if (!atLeast(version, oldestTorch))
    return { ...found, status: 'too old', detail: `${version} is older than ${oldestTorch}` };
  return { ...found, status: 'found' };
}

/** The torch package at, or in the environment at, `place`. */
function packageFolder(place) {
  const candidates = [place, path.join(place, 'torch')];
  const lib = path.join(place, 'lib');
  if (existsSync(lib))
    for (const name of readdirSync(lib))
      if (name.startsWith('python')) candidates.push(path.join(lib, name, 'site-packages', 'torch'));
  return candidates.find((folder) => existsSync(path.join(folder, 'lib', 'libtorch_cpu.so'))) ?? null;
}

function readVersion(folder) {
  const python = path.join(folder, 'version.py'); // a wheel
  if (existsSync(python)) {
    const text = readFileSync(python, 'utf8');
    return {
      version: /__version__\s*=\s*'([^']+)'/.exec(text)?.[1] ?? null,
      cuda: /^cuda[^=]*=\s*'([^']+)'/m.exec(text)?.[1] ?? null,
    };
  }
  const plain = path.join(folder, 'build-version'); // a libtorch archive
  return { version: existsSync(plain) ? readFileSync(plain, 'utf8').trim() : null, cuda: null };
}

/** The interpreter of the environment that a package is installed in; null where it is not in one. */
function pythonOf(folder) {
  const environment = path.resolve(folder, '..', '..', '..', '..');
  const interpreter = path.join(environment, 'bin', 'python3');
  return path.basename(path.dirname(folder)).endsWith('-packages') && existsSync(interpreter) ? interpreter : null;
}

function askPython(command) {
  const script =
    "import importlib.util as u; s = u.find_spec('torch'); print(list(s.submodule_search_locations)[0] if s else '')";
  const { status, stdout } = spawnSync(command, ['-c', script], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() || null : null;
}

function atLeast(version, oldest) {
  const numbers = (text) => text.split(/[.+]/).slice(0, 2).map(Number);
  const [major, minor] = numbers(version);
  const [oldestMajor, oldestMinor] = numbers(oldest);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}
