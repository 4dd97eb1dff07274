/**
 * Built addons, kept for each user under a hash of what they are made of: a second checkout or project takes what the first one has
 * compiled. An entry is a folder with the addon and the hash of its bytes; it appears whole, by a rename, or not at all.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { userCache } from './places.mjs';

/** Entries that are kept: those that were used last. An addon has three megabytes. */
const most = 16;

const folder = (/** @type {NodeJS.ProcessEnv} */ env) => path.join(userCache(env), 'native');

/**
 * Writes the addon of `key` to `file`, whole or not at all. Whether there is one.
 * @param {string} key @param {string} file @param {NodeJS.ProcessEnv} env
 */
export function takeCached(key, file, env = process.env) {
  const entry = path.join(folder(env), key);
  let bytes;
  try {
    // It will be executed: what somebody else has put there is not.
    if (statSync(entry).uid !== process.getuid?.()) return false;
    bytes = readFileSync(path.join(entry, 'addon'));
    if (readFileSync(path.join(entry, 'sha256'), 'utf8') !== sha256(bytes)) throw new Error('damaged');
    utimesSync(entry, new Date(), new Date());
  } catch {
    remove(entry);
    return false;
  }
  mkdirSync(path.dirname(file), { recursive: true });
  const next = `${file}.${process.pid}`;
  writeFileSync(next, bytes, { mode: 0o777 }); // less the umask
  renameSync(next, file); // a process that has the old one loaded keeps it
  return true;
}

/** Keeps an addon, unless it is kept already. A cache that cannot be written to keeps nothing. @param {string} key @param {string} file @param {NodeJS.ProcessEnv} env */
export function keepCached(key, file, env = process.env) {
  if (existsSync(path.join(folder(env), key))) return;
  const next = path.join(folder(env), `.${randomUUID()}`);
  try {
    const bytes = readFileSync(file);
    mkdirSync(next, { recursive: true });
    writeFileSync(path.join(next, 'addon'), bytes);
    writeFileSync(path.join(next, 'sha256'), sha256(bytes));
    renameSync(next, path.join(folder(env), key));
    prune(folder(env));
  } catch {
    remove(next); // another set-up was first, or there is no cache
  }
}

/** @param {string} cache */
function prune(cache) {
  const day = 86_400_000;
  const entries = readdirSync(cache).map((name) => ({ name, used: statSync(path.join(cache, name)).mtimeMs }));
  const [begun, whole] = [
    entries.filter(({ name }) => name.startsWith('.')),
    entries.filter(({ name }) => !name.startsWith('.')),
  ];
  const old = whole.sort((a, b) => b.used - a.used).slice(most);
  const left = begun.filter(({ used }) => Date.now() - used > day); // of a process that was killed
  for (const { name } of [...old, ...left]) remove(path.join(cache, name));
}

/** Removes an entry so that nobody sees half of it. @param {string} entry */
function remove(entry) {
  const away = path.join(path.dirname(entry), `.${randomUUID()}`);
  try {
    renameSync(entry, away);
    rmSync(away, { recursive: true, force: true });
  } catch {
    // It is gone already, or the cache cannot be written to.
  }
}

/** @param {Buffer} bytes */
function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}
