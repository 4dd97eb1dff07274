/** Running a user's TypeScript module. */
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { register as registerHooks } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemProblem } from '../ir/system_error.js';
import { configUnreadable } from './diagnostics.js';
import { whileImporting, type Importing, type RefusedCall } from './importing.js';

export interface ImportedModule {
  readonly exports: Readonly<Record<string, unknown>>;
  /** What the module threw while it ran; null where it ran to its end. */
  readonly failure: unknown;
  /** Calls of train(), resume() and generate() that it made, all of them refused. */
  readonly refused: readonly RefusedCall[];
}

/** Whether a file is a module that would be executed. */
export const isModule = (file: string): boolean => ['.ts', '.mts', '.js', '.mjs'].includes(extname(file));

/**
 * Runs a TypeScript module in this process's own module cache, so that what it imports from flotilla are the classes that run here:
 * `tsImport` would load them a second time. Once: asked for again, it is what it was. Nothing in it trains.
 */
export function importTypeScript(path: string): Promise<ImportedModule> {
  const known = imported.get(path) ?? importOnce(path);
  imported.set(path, known);
  return known;
}

const imported = new Map<string, Promise<ImportedModule>>();

async function importOnce(path: string): Promise<ImportedModule> {
  const importing: Importing = { file: path, refused: [] };
  let failure: unknown = null;
  // Of a promise in the module that nobody awaits: without a listener it would end this process.
  const onRejection = (reason: unknown) => (failure ??= reason);
  process.on('unhandledRejection', onRejection);
  // The module ends the process, or waits for what never comes: said, and never taken for a run that has ended well.
  const onExit = () => {
    const problem = 'it ends the process while it is read, or waits for what never comes';
    process.stderr.write(`${configUnreadable({ file: path, problem }).message}\n`);
    process.exitCode = 1;
  };
  process.once('exit', onExit);
  try {
    requireFile(path);
    const exports = await whileImporting(importing, () => runModule(path));
    return { exports, failure, refused: importing.refused };
  } catch (error) {
    // `throw null` is a failure too.
    return { exports: {}, failure: failure ?? error ?? new Error('it throws nothing'), refused: importing.refused };
  } finally {
    process.off('unhandledRejection', onRejection);
    process.off('exit', onExit);
  }
}

/**
 * What may not be read is said in the system's words, and not in the loader's; a pipe would be waited for without end, and no Ctrl-C is
 * heard meanwhile. Throws `config/unreadable`.
 */
function requireFile(file: string): void {
  let problem = 'it is not an ordinary file';
  try {
    if (statSync(file).isFile()) return closeSync(openSync(file, 'r'));
  } catch (error) {
    ({ problem } = systemProblem(error));
  }
  throw configUnreadable({ file, problem });
}

async function runModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  // The runner turns it off again where it was off, and stacks that are read later would name the lines of what it made of the file.
  process.setSourceMapsEnabled(true);
  const { register } = await import('tsx/esm/api');
  const unregister = register({ tsconfig: tsconfigOf(path) ?? false });
  registerHooks(`data:text/javascript,${encodeURIComponent(typeScriptIsEsm)}`);
  try {
    return (await import(pathToFileURL(path).href)) as Readonly<Record<string, unknown>>;
  } finally {
    await unregister();
  }
}

/** The nearest tsconfig.json above a module. Not the working directory's: its path aliases would say what the module's imports are. */
function tsconfigOf(module: string): string | null {
  for (let folder = dirname(module); ; folder = dirname(folder)) {
    const file = join(folder, 'tsconfig.json');
    if (existsSync(file)) return file;
    if (dirname(folder) === folder) return null;
  }
}

/**
 * A hook of Node's module loader: TypeScript files are ES modules also where no package.json says so. Node calls them CommonJS there, and
 * `import` and `export default` in them then fail.
 */
const typeScriptIsEsm = `
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context);
    return found.format === 'commonjs' && /[.]ts([?]|$)/.test(found.url) ? { ...found, format: 'module' } : found;
  }`;
