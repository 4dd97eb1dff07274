/** Locks between processes that build the same thing. One whose owner is gone holds up nobody. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { workFolder } from './places.mjs';

/** Locks that this process holds. @type {Set<string>} */
const held = new Set();
process.on('exit', () => held.forEach((lock) => rmSync(lock, { force: true })));

/** The owner on another machine touches its lock this often; after thirty times as long without, it is gone. */
const touchMilliseconds = 2_000;

/**
 * Runs `body` while no other process runs under the same lock.
 * @template T @param {string} name @param {() => Promise<T>} body @returns {Promise<T>}
 */
export async function withLock(name, body) {
  const lock = path.join(workFolder(), '.cache', `${name}.lock`);
  mkdirSync(path.dirname(lock), { recursive: true });
  const seen = { touched: 0, since: 0 };
  let told = false;
  while (!take(lock)) {
    if (isAbandoned(lock, seen)) {
      rmSync(lock, { force: true });
      continue;
    }
    if (!told) console.error(`set-up: waiting for another process that is busy with '${name}'`);
    told = true;
    await sleep(200);
  }
  held.add(lock);
  const touch = setInterval(() => existsSync(lock) && utimesSync(lock, new Date(), new Date()), touchMilliseconds);
  touch.unref();
  try {
    return await body();
  } finally {
    clearInterval(touch);
    held.delete(lock);
    rmSync(lock, { force: true });
  }
}

function take(lock) {
  try {
    writeFileSync(lock, [process.pid, startOf(process.pid), os.hostname()].join(' '), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  }
}

/** `seen`: when the lock was last seen to be touched, and since when it has not been. */
function isAbandoned(lock, seen) {
  try {
    const [owner, start, host] = readFileSync(lock, 'utf8').split(' ');
    const { mtimeMs } = statSync(lock);
    if (mtimeMs !== seen.touched) Object.assign(seen, { touched: mtimeMs, since: performance.now() });
    // The owner writes its number a moment after it creates the file.
    if (!Number(owner)) return Date.now() - mtimeMs > 5_000;
    if (host && host !== os.hostname()) return performance.now() - seen.since > 30 * touchMilliseconds;
    process.kill(Number(owner), 0);
    return Boolean(start) && start !== startOf(owner); // its number is another process's by now
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

/** When a process began, in ticks since boot; '-' where the system does not say. */
function startOf(pid) {
  try {
    // Its name, in brackets, may hold blanks.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1).split(' ')[20];
  } catch {
    return '-';
  }
}
