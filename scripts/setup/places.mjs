/** Where set-up puts what it makes: into the package where it may write there, else into the user's cache. */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's folder. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Whether this is a checkout, with sources and tests; else it is an installed package. */
export const isCheckout = existsSync(path.join(root, 'src'));

/** The programs as they are run: see `bundle.mjs`. */
export const bundle = path.join(root, 'dist', 'bundle');

/** How `flotilla` is called, for commands that messages name. */
export const flotillaCommand = 'npx flotilla';

/**
 * The user's cache: `$XDG_CACHE_HOME/flotilla`, else `~/.cache/flotilla`. It may not exist, and may not be writable.
 * @param {NodeJS.ProcessEnv} env
 */
export function userCache(env = process.env) {
  const base = env.XDG_CACHE_HOME;
  return path.join(base && path.isAbsolute(base) ? base : path.join(os.homedir(), '.cache'), 'flotilla');
}

/** Where set-up writes for this package. @param {NodeJS.ProcessEnv} env @param {string} packageFolder */
export function workFolder(env = process.env, packageFolder = root) {
  if (isWritable(packageFolder)) return packageFolder;
  const name = createHash('sha256').update(packageFolder).digest('hex').slice(0, 12);
  return path.join(userCache(env), 'packages', name);
}

/**
 * Python environments of set-up, the one that it writes first: a package that somebody else has installed may bring its own.
 * @param {NodeJS.ProcessEnv} env @param {string} packageFolder
 */
export function environments(env = process.env, packageFolder = root) {
  return [...new Set([workFolder(env, packageFolder), packageFolder])].map((folder) => path.join(folder, '.venv'));
}

/** The folder of the native engine: where it is built, or may be. @param {NodeJS.ProcessEnv} env @param {string} packageFolder */
export function nativeFolder(env = process.env, packageFolder = root) {
  const own = path.join(workFolder(env, packageFolder), 'native', 'build');
  const brought = path.join(packageFolder, 'native', 'build');
  return !existsSync(path.join(own, 'flotilla.node')) && existsSync(path.join(brought, 'flotilla.node'))
    ? brought
    : own;
}

/** @param {string} folder */
function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
