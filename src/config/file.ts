/** Configuration files: read from TypeScript or JSON, kept in the run folder as JSON. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, relative, resolve } from 'node:path';
import { canonicalJson } from '../checkpoint/manifest.js';
import { DiagnosticError } from '../ir/diagnostic.js';
import { configUnreadable } from './diagnostics.js';
import { importTypeScript } from './import_module.js';
import type { TrainConfig, TrainOptions } from './schema.js';
import type { ResolvedConfig } from './resolve.js';
import { resolveConfig } from './resolve.js';

/** Reads a configuration and resolves it. Throws `config/unreadable` and what `resolveConfig` throws. */
export async function loadConfig(file: string, overrides: readonly string[] = []): Promise<ResolvedConfig> {
  const resolved = resolveConfig(await readConfig(file), { overrides, source: relative('', file) || file });
  const { model } = resolved.config;
  if (model.family !== 'custom' || resolved.customModel === null) return resolved;
  // Only the file that constructed the model can construct it again.
  return { ...resolved, config: { ...resolved.config, model: { ...model, module: resolve(file) } } };
}

/** What a file exports, unchecked. `.ts` files are compiled on the way. */
export async function readConfig(file: string): Promise<TrainOptions> {
  if (!existsSync(file)) throw configUnreadable({ file, problem: 'there is no such file' });
  switch (extname(file)) {
    case '.json':
      return readJson(file);
    case '.ts':
    case '.mts':
    case '.js':
    case '.mjs':
      return importDefault(file);
    default:
      throw configUnreadable({ file, problem: `files that end in '${extname(file)}' are not read as configurations` });
  }
}

/** The text of `config.json`: a configuration that `flotilla train` takes like any other. */
export const configText = (config: TrainConfig): string => `${JSON.stringify(config, null, 2)}\n`;

/** SHA-256 of a configuration: equal for equal fields, whatever their order in the file. */
export const configHash = (config: TrainConfig): string =>
  createHash('sha256').update(canonicalJson(config)).digest('hex');

async function readJson(file: string): Promise<TrainOptions> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as TrainOptions;
  } catch (error) {
    throw configUnreadable({ file, problem: `it is not JSON: ${(error as Error).message}` }, { cause: error });
  }
}

async function importDefault(file: string): Promise<TrainOptions> {
  let module: { default?: unknown };
  try {
    module = (await importTypeScript(resolve(file))) as { default?: unknown };
  } catch (error) {
    // A diagnostic thrown while the config builds its model says more than that the file failed.
    if (isDiagnostic(error)) throw error;
    throw configUnreadable({ file, problem: `it fails when run: ${(error as Error).message}` }, { cause: error });
  }
  if (module.default === undefined) {
    throw configUnreadable({
      file,
      problem: 'it has no default export',
      fix: 'write `export default { model: …, data: … }`; a script that calls train() itself is run with `npx tsx`',
    });
  }
  return module.default as TrainOptions;
}

/** Also of a diagnostic whose class was loaded a second time, by the config's own imports. */
const isDiagnostic = (error: unknown): error is DiagnosticError =>
  error instanceof DiagnosticError || (error instanceof Error && error.name === 'DiagnosticError');
