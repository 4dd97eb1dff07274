/** Running set-up steps: what each does, how long it took, and what to do where it fails. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The package's folder. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A set-up step that failed: what happened, and what the person can do about it. */
export class SetupError extends Error {
  /** @param {string} message @param {string} fix */
  constructor(message, fix) {
    super(message);
    this.name = 'SetupError';
    this.fix = fix;
  }
}

let seconds = 0;

/** Seconds that the steps so far have taken together. */
export function setupSeconds() {
  return seconds;
}

/**
 * Runs a step that has something to do, and says so.
 * @template T @param {string} what @param {() => T | Promise<T>} body @returns {Promise<T>}
 */
export async function step(what, body) {
  console.error(`set-up: ${what} …`);
  const start = performance.now();
  try {
    const result = await body();
    const took = (performance.now() - start) / 1000;
    console.error(`set-up: ${what}: done in ${took.toFixed(1)} s`);
    return result;
  } finally {
    seconds += (performance.now() - start) / 1000;
  }
}

/**
 * Runs a command to its end. Its output is shown only where it fails, with `fix`.
 * @param {string} command @param {readonly string[]} args
 * @param {{ fix: string, cwd?: string, env?: NodeJS.ProcessEnv, visible?: boolean }} options
 */
export function runTool(command, args, { fix, cwd = root, env = process.env, visible = false }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ['ignore', visible ? 'inherit' : 'pipe', visible ? 'inherit' : 'pipe'],
    });
    let output = '';
    const keep = (chunk) => (output = (output + chunk).slice(-20_000));
    child.stdout?.setEncoding('utf8').on('data', keep);
    child.stderr?.setEncoding('utf8').on('data', keep);
    child.on('error', (error) => reject(new SetupError(`${command} cannot be run: ${error.message}`, fix)));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(undefined);
      const end = output.trimEnd().split('\n').slice(-40).join('\n');
      reject(new SetupError(`${[command, ...args].join(' ')} ended with ${signal ?? `status ${code}`}\n${end}`, fix));
    });
  });
}

/** The first line that a command prints, or null where it cannot be run. @param {string} command @param {readonly string[]} args */
export function firstLine(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0].trim() : null;
}

/** Hash of texts and of files' names and contents. @param {readonly string[]} texts @param {readonly string[]} files */
export function hashOf(texts, files) {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text).update('\0');
  for (const file of [...files].sort())
    hash.update(path.relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** All files under a folder with one of these endings. @param {string} folder @param {readonly string[]} endings @param {readonly string[]} skipped */
export function filesUnder(folder, endings, skipped = []) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return skipped.includes(entry.name) ? [] : filesUnder(file, endings, skipped);
    return endings.some((ending) => entry.name.endsWith(ending)) ? [file] : [];
  });
}

/** The content of a stamp, or null. @param {string} file */
export function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : null;
}

/** Writes a stamp, whole or not at all: the last thing a step does. @param {string} file @param {string} content */
export function writeStamp(file, content) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.${process.pid}`, `${content}\n`);
  renameSync(`${file}.${process.pid}`, file);
}

/**
 * Runs `body` while no other process runs under the same lock. A lock whose owner is gone is taken over.
 * @template T @param {string} name @param {() => Promise<T>} body @returns {Promise<T>}
 */
export async function withLock(name, body) {
  const lock = path.join(root, '.cache', `${name}.lock`);
  mkdirSync(path.dirname(lock), { recursive: true });
  let told = false;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned(lock)) {
      rmSync(lock, { force: true });
      continue;
    }
    if (!told) console.error(`set-up: waiting for another process that is busy with '${name}'`);
    told = true;
    await sleep(200);
  }
  try {
    return await body();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAbandoned(lock) {
  try {
    const owner = Number(readFileSync(lock, 'utf8'));
    // The owner writes its number a moment after it creates the file.
    if (!owner) return Date.now() - statSync(lock).mtimeMs > 5_000;
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}
