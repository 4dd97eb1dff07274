/** From FILE, DIR and GLOB to a list of text files, in an order that is the same on every machine. */
import { existsSync, lstatSync, readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { nearest } from '../ir/diagnostic.js';
import { systemProblem } from '../ir/system_error.js';
import { withoutCompression } from './decompress.js';
import { dataNotFound, dataUnreadable, installedSourcesNotFound } from './diagnostics.js';
import { globBase, globMatcher, isGlob } from './glob.js';

/** One file of the corpus. */
export interface SourceFile {
  /** Its identity: the base of its pattern and the path below it, '/'-separated. Does not say where the corpus lies. */
  readonly path: string;
  /** Where it lies, absolute. */
  readonly file: string;
  readonly bytes: number;
  /**
   * When the file last changed, milliseconds since 1970; with the size, a cheap sign that the content is what it was. Not the time
   * of modification, which npm sets to the same day of 1985 for all that it installs.
   */
  readonly changedMs: number;
  /** Named by the user one by one: then it is never skipped silently. */
  readonly named: boolean;
}

/** What a folder is searched for, compressed or not. A glob or a file name may name anything else. */
const TEXT_EXTENSIONS = new Set(
  (
    'txt text md markdown rst tex org adoc jsonl ndjson json ' +
    'ts tsx mts cts js jsx mjs cjs vue svelte py pyi rs go java kt scala c h cc cpp cxx hpp hh cu cuh cs fs rb php pl ' +
    'swift m lua jl r hs ml mli ex exs erl clj lisp el zig nim dart sh bash sql html css scss cmake proto'
  ).split(' '),
);

/**
 * The files that `patterns` name, resolved against `root`, sorted by path, each once.
 * A folder is searched for text extensions; folders that start with a dot and node_modules are left out unless the pattern names
 * them, and links to folders are not followed (they may be circular).
 * @throws data/not-found where a pattern names nothing; data/unreadable.
 */
export function findFiles(patterns: readonly string[], root: string): SourceFile[] {
  const found = new Map<string, SourceFile>();
  for (const pattern of patterns) {
    const files = expand(pattern.split(sep).join('/'), root);
    if (files.length === 0)
      throw dataNotFound({ pattern, root, found: kindAt(resolve(root, pattern)), nearest: nearestName(pattern, root) });
    for (const file of files) if (!found.has(file.file)) found.set(file.file, file);
  }
  return sorted([...found.values()]);
}

/**
 * The default corpus: TypeScript sources and declarations that npm installed, from the nearest node_modules at or above `root`.
 * Packages for one platform only (`os`, `cpu` or `libc` in their package.json) are left out, so that one lockfile gives one corpus
 * on every machine.
 * @throws data/no-installed-sources.
 */
export function findInstalledSources(root: string): SourceFile[] {
  for (let folder = resolve(root); ; folder = dirname(folder)) {
    const modules = join(folder, 'node_modules');
    if (existsSync(modules)) {
      const files = walk(modules, 'node_modules', {
        accepts: (path) => /\.[cm]?tsx?$/.test(path),
        enters: (name, path) => !name.startsWith('.') && !isPlatformPackage(path),
      });
      if (files.length > 0) return sorted(files);
    }
    if (dirname(folder) === folder) throw installedSourcesNotFound({ root });
  }
}

function expand(pattern: string, root: string): SourceFile[] {
  const place = resolve(root, pattern);
  const status = statusOf(place);
  if (status?.isFile()) return [sourceFile(place, basename(place), true)];
  if (status?.isDirectory()) {
    return walk(place, basename(place), { accepts: hasTextExtension, enters: entersBelow(basename(place)) });
  }
  if (!isGlob(pattern)) return [];
  const base = resolve(root, globBase(pattern));
  if (!statusOf(base)?.isDirectory()) return [];
  const rest = pattern.slice(globBase(pattern).length).replace(/^\//, '');
  const [below, name] = [globMatcher(rest), basename(base)];
  return walk(base, name, {
    accepts: (path) => below(path.slice(name.length + 1)),
    enters: entersBelow(`${name}/${rest}`),
  });
}

function hasTextExtension(path: string): boolean {
  const name = withoutCompression(path);
  return TEXT_EXTENSIONS.has(name.slice(name.lastIndexOf('.') + 1).toLowerCase());
}

/** Which folders are searched. `named`: the pattern from the folder on where the search begins, so that it does not matter where that lies. */
function entersBelow(named: string): (name: string) => boolean {
  const hidden = /(^|\/)\.[^./]/.test(named);
  const modules = named.includes('node_modules');
  return (name) => (hidden || !name.startsWith('.')) && (modules || name !== 'node_modules');
}

interface Walk {
  readonly accepts: (path: string) => boolean;
  readonly enters: (name: string, folder: string) => boolean;
}

function walk(folder: string, path: string, { accepts, enters }: Walk): SourceFile[] {
  const files: SourceFile[] = [];
  const visit = (folder: string, path: string) => {
    for (const entry of attempt(folder, () => readdirSync(folder, { withFileTypes: true }))) {
      const [file, name] = [join(folder, entry.name), `${path}/${entry.name}`];
      if (entry.isDirectory()) {
        if (enters(entry.name, file)) visit(file, name);
      } else if (accepts(name) && (entry.isFile() || (entry.isSymbolicLink() && linksToFile(file)))) {
        files.push(sourceFile(file, name, false));
      }
    }
  };
  visit(folder, path);
  return files;
}

function sourceFile(file: string, path: string, named: boolean): SourceFile {
  const { size, ctimeMs } = attempt(file, () => statSync(file));
  return { path, file, bytes: size, changedMs: ctimeMs, named };
}

function linksToFile(file: string): boolean {
  return statusOf(file)?.isFile() ?? false;
}

/** Undefined where there is nothing. Links that lead to themselves, and names too long for the system, are told. */
function statusOf(file: string, look: (file: string) => Stats = statSync): Stats | undefined {
  return attempt(file, () => {
    try {
      return look(file);
    } catch (error) {
      // Below a file there is nothing either.
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  });
}

function isPlatformPackage(folder: string): boolean {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return false;
  const text = readFileSync(file, 'utf8');
  if (!/"(os|cpu|libc)"\s*:/.test(text)) return false; // parsing all of them would take longer than the walk
  const manifest: unknown = JSON.parse(text);
  return typeof manifest === 'object' && manifest !== null && ['os', 'cpu', 'libc'].some((key) => key in manifest);
}

/** By UTF-16 code unit: no locale has a say. */
function sorted(files: readonly SourceFile[]): SourceFile[] {
  const before = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...files].sort((a, b) => before(a.path, b.path) || before(a.file, b.file));
}

/** What has a name and is no text; null where nothing has it. */
function kindAt(place: string): string | null {
  const status = statusOf(place, lstatSync);
  if (status === undefined) return null;
  const found = status.isSymbolicLink() ? statusOf(place) : status;
  if (found === undefined) return 'a link to nothing';
  if (found.isDirectory()) return 'a folder without text files';
  return found.isFIFO() ? 'a pipe' : found.isSocket() ? 'a socket' : 'a device';
}

function nearestName(pattern: string, root: string): string | null {
  const folder = dirname(resolve(root, pattern));
  if (kindAt(resolve(root, pattern)) !== null) return null;
  if (isGlob(pattern) || !statusOf(folder)?.isDirectory()) return null;
  const name = nearest(
    basename(pattern),
    attempt(folder, () => readdirSync(folder)),
  );
  return name === null ? null : relative(root, join(folder, name));
}

function attempt<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { problem, remedy } = systemProblem(error);
    throw dataUnreadable({ file, reason: problem, remedy }, { cause: error });
  }
}
