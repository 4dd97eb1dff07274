/** Running set-up steps: what each does, how long it took, and what to do where it fails. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { flotillaCommand, root } from './places.mjs';
import { showStep } from './progress.mjs';

/** A set-up step that failed: what happened, and what the person can do about it. */
export class SetupError extends Error {
  /** @param {string} message @param {string} fix */
  constructor(message, fix) {
    super(message);
    this.name = 'SetupError';
    this.fix = fix;
  }
}

/** What of the file system can be mended by who reads it. */
const fixes = {
  EACCES: 'let this user write there, or install the package into a folder of your own',
  EROFS: 'let it be writable, or install the package into a folder of your own',
  EPERM: 'let this user write there, or install the package into a folder of your own',
  ENOSPC: 'make room there',
  EDQUOT: 'make room there: the quota is used up',
  ENAMETOOLONG: 'install the package into a folder with a shorter path',
};

/**
 * What is said of a failed set-up; null for what is a mistake of ours. `again`: the command that repeats it.
 * @param {unknown} error @param {string} again
 */
export function failureText(error, again) {
  const fix = error instanceof SetupError ? error.fix : fixes[/** @type {NodeJS.ErrnoException} */ (error)?.code];
  if (!fix) return null;
  return [
    `\nset-up failed: ${/** @type {Error} */ (error).message}`,
    `  fix    ${fix}`,
    `  again  ${again} (what is finished is kept)`,
    `  see    ${flotillaCommand} doctor: what this machine has and lacks`,
  ].join('\n');
}

let seconds = 0;

/** Seconds that the steps so far have taken together. */
export function setupSeconds() {
  return seconds;
}

/**
 * Runs a step that has something to do, and shows it: `tell` says how far it has come.
 * @template T @param {string} what @param {(tell: (text: string) => void) => T | Promise<T>} body @returns {Promise<T>}
 */
export async function step(what, body) {
  const shown = showStep(what);
  const start = performance.now();
  try {
    const result = await body(shown.tell);
    shown.end('done in');
    return result;
  } catch (error) {
    shown.end('failed after');
    throw error;
  } finally {
    seconds += (performance.now() - start) / 1000;
  }
}

/** Tools that run; each leads a process group of its own. @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
let ending = false;

/**
 * Until the function it returns is called, a signal ends set-up: with the tools that run, and with a word.
 * @param {string} again the command that goes on with it
 */
export function endAtSignals(again) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'];
  const end = (signal) => {
    if (ending) return;
    ending = true;
    killTools('SIGTERM');
    const leave = () => {
      if (running.size) killTools('SIGKILL');
      console.error(`\nset-up: stopped by ${signal}; ${again} goes on from what is finished`);
      process.exit(130);
    };
    const start = performance.now();
    const wait = () => (running.size && performance.now() - start < 3_000 ? setTimeout(wait, 20) : leave());
    wait();
  };
  for (const signal of signals) process.on(signal, end);
  return () => signals.forEach((signal) => process.off(signal, end));
}

function killTools(signal) {
  for (const child of running) {
    try {
      // Of the whole group: what a build tool has started compiles on without it.
      if (process.platform === 'win32') child.kill(signal);
      else process.kill(-child.pid, signal);
    } catch {
      // It has just ended.
    }
  }
}

/**
 * Runs a command to its end. Its output is shown only where it fails, with `fix`; `onLine` sees it as it comes.
 * @param {string} command @param {readonly string[]} args
 * @param {{ fix: string, cwd?: string, env?: NodeJS.ProcessEnv, visible?: boolean, onLine?: (line: string) => void }} options
 */
export function runTool(command, args, { fix, cwd = root, env = process.env, visible = false, onLine }) {
  return new Promise((resolve, reject) => {
    const output = visible ? 'inherit' : 'pipe';
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ['ignore', output, output],
      detached: process.platform !== 'win32',
    });
    running.add(child);
    let kept = '';
    let rest = '';
    const keep = (chunk) => {
      kept = (kept + chunk).slice(-20_000);
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      lines.forEach((line) => onLine?.(line));
    };
    child.stdout?.setEncoding('utf8').on('data', keep);
    child.stderr?.setEncoding('utf8').on('data', keep);
    child.on('error', (error) => {
      running.delete(child);
      reject(new SetupError(`${command} cannot be run: ${error.message}`, fix));
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      if (ending) return; // a signal ends it all: this is no failure to tell of
      if (code === 0) return resolve(undefined);
      const end = kept.trimEnd().split('\n').slice(-40).join('\n');
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
