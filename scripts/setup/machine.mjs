/**
 * What set-up needs, found or missing on this machine: the first half of `flotilla doctor`, which answers before anything is installed
 * and waits for nothing. The second half, what the built engine says of itself, is src/engine/native/doctor.ts.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statfsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { locateTorch } from './locate_torch.mjs';
import { nativeReady } from './native_build.mjs';
import { npmPackagesReady } from './npm_packages.mjs';
import { environments, flotillaCommand, isCheckout, nativeFolder, root, userCache, workFolder } from './places.mjs';
import { thisPlatform } from './platform.mjs';
import { typescriptReady } from './typescript_build.mjs';

/**
 * `problem`: something does not work without it. `note`: worth knowing.
 * @typedef {{ what: string, status: 'ok' | 'problem' | 'note', detail: string, fix: string | null }} Finding
 */

/** Bytes that set-up takes where nothing is there yet: torch, and what is compiled on the way. */
const setupBytes = 2.5e9;
/** Memory that compiling one source at a time takes, with what else there is. */
const leastMemory = 3e9;
const milliseconds = 5_000;
const setupCommand = `${flotillaCommand} setup`;

/** Looks at everything and changes nothing. @returns {Promise<Finding[]>} */
export async function examineMachine() {
  const platform = thisPlatform();
  const programs = [examineNode(), examineNpm(), ...(isCheckout ? [examineNpmPackages(), examineBuild()] : [])];
  const first = [examinePlatform(platform), ...programs];
  if (!platform.native) return first;
  const torch = locateTorch({ root });
  const ready = torch.found !== null && nativeReady(torch.found);
  const tools = await Promise.all([
    examinePython(torch.found !== null),
    examineCompiler(),
    examineCmake(),
    examineNinja(),
  ]);
  return [
    ...first,
    examineMemory(),
    examineDisk(ready),
    ...tools,
    ...torch.attempts.map(examineAttempt),
    ...(torch.found ? [] : [noTorch()]),
    examineEngine(torch.found, ready),
  ];
}

/** As lines of text. @param {readonly Finding[]} findings */
export function findingsText(findings) {
  const marks = { ok: 'ok', note: '--', problem: '!!' };
  return findings
    .map(({ what, status, detail, fix }) => {
      const line = `${marks[status]}  ${what.padEnd(14)}${detail}`;
      return fix === null ? line : `${line}\n    fix           ${fix}`;
    })
    .join('\n');
}

function examinePlatform({ name, native, text }) {
  return native
    ? ok('platform', `${name}, which the native engine is tested on`)
    : { what: 'platform', status: 'note', detail: text, fix: null };
}

function examineNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const detail = `${process.versions.node}, ${os.availableParallelism()} cores`;
  if (major > 20 || (major === 20 && minor >= 13)) return ok('node', detail);
  return { what: 'node', status: 'problem', detail, fix: 'install Node 20.13 or newer (nodejs.org, nvm, fnm)' };
}

/** Read and not run: npm takes half a second to tell its version. */
function examineNpm() {
  const places = [
    process.env.npm_execpath ?? '',
    ...(process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, 'npm')),
  ];
  for (const place of places.filter(Boolean)) {
    try {
      const manifest = path.join(path.dirname(realpathSync(place)), '..', 'package.json');
      const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'));
      if (name === 'npm') return ok('npm', version);
    } catch {
      // Not there: the next place.
    }
  }
  return {
    what: 'npm',
    status: 'note',
    detail: 'not found on PATH',
    fix: 'npm comes with Node; it installs packages, and nothing else needs it',
  };
}

function examineNpmPackages() {
  if (npmPackagesReady()) return ok('npm packages', 'as package-lock.json says');
  const there = existsSync(path.join(root, 'node_modules'));
  return note('npm packages', there ? 'not installed by set-up, or another package-lock.json’s' : 'not installed yet');
}

function examineBuild() {
  if (typescriptReady()) return ok('programs', 'built from these sources');
  const there = existsSync(path.join(root, 'dist', 'src'));
  return note('programs', there ? 'built from other sources than these' : 'not built yet');
}

function examineMemory() {
  const bytes = Math.min(os.totalmem(), process.constrainedMemory?.() || Infinity);
  const detail = `${gigabytes(bytes)}, ${gigabytes(os.freemem())} of it free`;
  if (bytes >= leastMemory) return ok('memory', detail);
  const fix = `compiling the native engine takes ${gigabytes(leastMemory)}: add memory or swap space`;
  return { what: 'memory', status: 'note', detail, fix };
}

/** @param {boolean} ready whether set-up has done all already */
function examineDisk(ready) {
  let folder = workFolder();
  while (!existsSync(folder) && path.dirname(folder) !== folder) folder = path.dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const detail = `${gigabytes(bavail * bsize)} free at ${folder}; the cache is ${userCache()}`;
  if (ready || bavail * bsize >= setupBytes) return ok('disk', detail);
  const fix = `set-up takes up to ${gigabytes(setupBytes)}: make room, or name a torch that is installed already in FLOTILLA_TORCH`;
  return { what: 'disk', status: 'problem', detail, fix };
}

/** @param {boolean} haveTorch whether Python is needed no more */
async function examinePython(haveTorch) {
  const script =
    "import importlib.util as u, platform, sys; print(platform.python_version(), *[m for m in ('venv', 'ensurepip') if not u.find_spec(m)]); sys.exit(0)";
  const answer = await ask('python3', ['-c', script]);
  const status = haveTorch ? 'note' : 'problem';
  const debian = 'Debian: apt install python3 python3-venv';
  if (answer === null)
    return { what: 'python', status, detail: 'python3 cannot be run', fix: `install Python 3.10 or newer (${debian})` };
  const [version, ...missing] = answer.split(' ');
  const [major, minor] = version.split('.').map(Number);
  if (major < 3 || minor < 10)
    return {
      what: 'python',
      status,
      detail: version,
      fix: 'install Python 3.10 or newer, which torch needs, as python3',
    };
  if (missing.length === 0) return ok('python', `${version}, with venv and ensurepip`);
  return {
    what: 'python',
    status,
    detail: `${version}, without ${missing.join(' and ')}`,
    fix: `install it (${debian})`,
  };
}

async function examineCompiler() {
  const command = process.env.CXX || 'c++';
  const fix = 'install g++ 11 or newer (Debian: apt install g++), or name a compiler in CXX';
  const version = await ask(command, ['--version']);
  if (version === null) return { what: 'c++ compiler', status: 'problem', detail: `${command} cannot be run`, fix };
  const major = Number(/ (\d+)\.\d+(\.\d+)?/.exec(version.replace(/\(.*?\)/, ''))?.[1]);
  if (!version.includes('clang') && major < 11)
    return { what: 'c++ compiler', status: 'problem', detail: version, fix };
  return ok('c++ compiler', version);
}

async function examineCmake() {
  const fix = 'install CMake 3.18 or newer (Debian: apt install cmake)';
  const version = await ask('cmake', ['--version']);
  if (version === null) return { what: 'cmake', status: 'problem', detail: 'cmake cannot be run', fix };
  const [major, minor] = (/(\d+)\.(\d+)/.exec(version) ?? []).slice(1).map(Number);
  if (major < 3 || (major === 3 && minor < 18)) return { what: 'cmake', status: 'problem', detail: version, fix };
  const make = (await ask('make', ['--version'])) !== null || (await ask('ninja', ['--version'])) !== null;
  if (make) return ok('cmake', version);
  return {
    what: 'cmake',
    status: 'problem',
    detail: `${version}, with neither make nor ninja`,
    fix: 'install one (Debian: apt install ninja-build)',
  };
}

async function examineNinja() {
  const version = await ask('ninja', ['--version']);
  return ok('ninja', version ?? 'not there, and not needed: make is used');
}

function examineAttempt(attempt) {
  const place = `${attempt.source}: ${attempt.path ?? 'nothing'}`;
  if (attempt.status === 'found') return ok('torch', `${place}: ${attempt.version}, CUDA ${attempt.cuda ?? 'none'}`);
  return { what: 'torch', status: 'note', detail: `${place}: ${attempt.detail ?? attempt.status}`, fix: null };
}

function noTorch() {
  const fix = `${setupCommand} installs one into ${environments()[0]}; FLOTILLA_TORCH names one that is elsewhere`;
  const detail = 'none of these can be used; `--engine reference` trains a tiny model without it';
  return { what: 'torch', status: 'problem', detail, fix };
}

function examineEngine(torch, ready) {
  const addon = path.join(nativeFolder(), 'flotilla.node');
  if (ready) return ok('native engine', `${addon}, built from these sources for this torch`);
  if (!existsSync(addon))
    return {
      what: 'native engine',
      status: 'problem',
      detail: `${addon} is not built`,
      fix: `${setupCommand} builds it`,
    };
  return note(
    'native engine',
    torch ? 'built from other sources, for another torch or by another compiler' : 'built, and its torch is gone',
  );
}

const ok = (what, detail) => ({ what, status: 'ok', detail, fix: null });
const note = (what, detail) => ({ what, status: 'note', detail, fix: setupCommand });
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;

/** The first line that a command prints, or null where it cannot be run or does not answer. */
function ask(command, args) {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: milliseconds }, (error, stdout) =>
      resolve(error ? null : stdout.split('\n')[0].trim()),
    );
  });
}
