/**
 * Which of the user's modules have been trained with, by this user on this machine: those that a run folder may name and have executed.
 *
 * Kept outside every run folder, where nobody who hands one over can write: `$XDG_STATE_HOME/flotilla/trusted.json`, by default below
 * ~/.local/state. A module is known by its path and by its text and that of what it imports by path: one that has changed since is
 * another. Packages are not looked into.
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { parseFields } from '../ir/parse_json.js';
import { readText } from '../data/read_text.js';
import { sha256 } from '../data/hash.js';
import { makeFolder } from '../data/make_folder.js';
import { writeAtomically } from '../data/temporaries.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Versions of one module that are remembered: those of a few branches and of a day's edits. */
const versionsKept = 32;

const recordSchema = z.strictObject({
  flotilla_trusted: z.literal(1),
  /** Absolute path → {@link moduleHash}es, the latest last. */
  modules: z.record(z.string(), z.array(z.string())),
});

type TrustRecord = z.infer<typeof recordSchema>;

/** Where the record lies. */
export function trustFile(env: Environment = process.env): string {
  const { XDG_STATE_HOME: state } = env;
  // A relative one is to be ignored (XDG Base Directory Specification 0.8).
  const base = state !== undefined && isAbsolute(state) ? state : join(homedir(), '.local', 'state');
  return join(base, 'flotilla', 'trusted.json');
}

/** Whether this user has trained with the module as it is now. */
export function isTrusted(module: string, env: Environment = process.env): boolean {
  const path = realpathSync(module);
  const { modules } = readRecord(trustFile(env));
  return Object.hasOwn(modules, path) && modules[path].includes(moduleHash(path));
}

/** Remembers that this user trains with the module as it is now. Throws what the disk does. */
export function recordTrust(module: string, env: Environment = process.env): void {
  const path = realpathSync(module);
  const file = trustFile(env);
  const { modules } = readRecord(file);
  const hash = moduleHash(path);
  const before = Object.hasOwn(modules, path) ? modules[path] : [];
  const versions = [...before.filter((version) => version !== hash), hash].slice(-versionsKept);
  const record: TrustRecord = { flotilla_trusted: 1, modules: { ...modules, [path]: versions } };
  makeFolder(dirname(file), 0o700);
  writeAtomically(file, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
}

/** A record that cannot be read vouches for nothing. */
function readRecord(file: string): TrustRecord {
  const none: TrustRecord = { flotilla_trusted: 1, modules: {} };
  if (!existsSync(file)) return none;
  try {
    return recordSchema.parse(parseFields(readText(file)));
  } catch {
    return none;
  }
}

/**
 * SHA-256 of a module's text and of every file that it imports by path, and these in turn, wherever they lie together. Throws where the module
 * cannot be read.
 */
export function moduleHash(module: string): string {
  const texts = new Map<string, string>();
  const visit = (file: string) => {
    if (texts.has(file)) return;
    const text = readText(file);
    texts.set(file, text);
    for (const [, specifier] of text.matchAll(quotedPath)) {
      const found = fileOf(resolve(dirname(file), specifier));
      if (found !== null) visit(found);
    }
  };
  const entry = realpathSync(module);
  visit(entry);
  return sha256([...texts].flatMap(([file, text]) => [relative(dirname(entry), file), text]));
}

/** A relative path in quotes, and an absolute one that is imported. What is no import costs a file that is read in vain. */
const quotedPath =
  /(?:['"`](?=\.)|(?:\bfrom|\bimport|\brequire)\s*\(?\s*['"`](?:file:\/\/)?(?=\/))((?:\.{1,2})?\/[^'"`\n]*)['"`]/g;

/** The file that an import of `path` means, as TypeScript resolves it; null where there is none. */
function fileOf(path: string): string | null {
  const typed = path.replace(/\.([cm]?)js$/, '.$1ts');
  const candidates = [
    path,
    typed,
    ...['.ts', '.mts', '.js', '.mjs', '.json', '/index.ts', '/index.js'].map((end) => path + end),
  ];
  const found = candidates.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile());
  return found === undefined ? null : realpathSync(found);
}
