/** Locks between processes that build the same thing. One whose owner is gone holds up nobody. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { workFolder } from './places.mjs';

/** Locks that this process holds, and what it wrote into each. @type {Map<string, string>} */
const held = new Map();
process.on('exit', () => held.forEach((content, lock) => remove(lock, content)));

/** The owner on another machine touches its lock this often; after thirty times as long without, it is gone. */
const touchMilliseconds = 2_000;

/**
 * Runs `body` while no other process runs under the same lock. Says whom it waits for, every `remindAfter` milliseconds.
 * @template T @param {string} name @param {() => Promise<T>} body @param {{ remindAfter?: number }} [options] @returns {Promise<T>}
 */
export async function withLock(name, body, { remindAfter = 30_000 } = {}) {
  const lock = path.join(workFolder(), '.cache', `${name}.lock`);
  mkdirSync(path.dirname(lock), { recursive: true });
  const content = await acquire(lock, name, remindAfter);
  held.set(lock, content);
  const touch = setInterval(() => contentOf(lock) === content && touchFile(lock), touchMilliseconds);
  touch.unref();
  try {
    return await body();
  } finally {
    clearInterval(touch);
    held.delete(lock);
    remove(lock, content);
  }
}

/** Waits until the lock is this process's; what it has written into it. */
async function acquire(lock, name, remindAfter) {
  const seen = new Map();
  const since = performance.now();
  let reminder = since;
  for (;;) {
    const content = take(lock);
    if (content !== null) return content;
    const abandoned = abandonedContent(lock, seen);
    if (abandoned !== null && clearAbandoned(lock, abandoned, seen)) continue;
    if (performance.now() >= reminder) {
      const seconds = Math.round((performance.now() - since) / 1000);
      const long = seconds === 0 ? '' : `, ${seconds} s so far`;
      console.error(`set-up: waiting for ${ownerOf(lock)} that is busy with '${name}'${long}`);
      reminder = performance.now() + remindAfter;
    }
    await sleep(200);
  }
}

/**
 * Removes a lock that was found abandoned with this content; whether it did. Of several that found it so, one may have taken it since:
 * they look again, and remove, one at a time, under a lock of their own. Nothing else changes a lock whose owner is gone.
 */
export function clearAbandoned(lock, abandoned, seen = new Map()) {
  const guard = `${lock}.clearing`;
  const content = take(guard);
  if (content === null) {
    // Who was ended while it held that is cleared away in the same manner.
    const ofGuard = abandonedContent(guard, seen);
    if (ofGuard !== null) clearAbandoned(guard, ofGuard, seen);
    return false;
  }
  try {
    return remove(lock, abandoned);
  } finally {
    remove(guard, content);
  }
}

/** Removes a file that still holds what it should; whether it did. */
function remove(file, content) {
  if (contentOf(file) !== content) return false;
  rmSync(file, { force: true });
  return true;
}

/** What this process wrote into the lock, which no other lock holds; null where there is one. */
function take(lock) {
  const content = [process.pid, startOf(process.pid), os.hostname(), randomUUID()].join(' ');
  try {
    writeFileSync(lock, content, { flag: 'wx' });
    return content;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return null;
  }
}

/**
 * What a lock holds whose owner is gone; null where it may be alive, or there is no lock. `seen`: when each lock was last seen to be
 * touched, and since when it has not been.
 */
function abandonedContent(lock, seen) {
  const content = contentOf(lock);
  const modified = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
  if (content === null || modified === undefined) return null;
  if (modified !== seen.get(lock)?.modified) seen.set(lock, { modified, since: performance.now() });
  return isGone(content, modified, seen.get(lock).since) ? content : null;
}

function isGone(content, modified, since) {
  const [owner, start, host] = content.split(' ');
  // The owner writes its number a moment after it creates the file.
  if (!Number(owner)) return Date.now() - modified > 5_000;
  if (host && host !== os.hostname()) return performance.now() - since > 30 * touchMilliseconds;
  try {
    process.kill(Number(owner), 0);
  } catch (error) {
    return error.code === 'ESRCH';
  }
  return Boolean(start) && start !== startOf(owner); // its number is another process's by now
}

function ownerOf(lock) {
  const [owner, , host] = (contentOf(lock) ?? '').split(' ');
  if (!Number(owner)) return 'another process';
  return `process ${owner}${host && host !== os.hostname() ? ` on ${host}` : ''}`;
}

function touchFile(lock) {
  try {
    utimesSync(lock, new Date(), new Date());
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

function contentOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return null;
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
