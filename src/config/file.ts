/** Configuration files: read from TypeScript, JSON or YAML, kept in the run folder as JSON. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { extname, relative, resolve } from 'node:path';
import { canonicalJson } from '../checkpoint/manifest.js';
import { readText } from '../data/read_text.js';
import { configUnreadable } from './diagnostics.js';
import { formatOf, parseJsonText } from './formats.js';
import { importTypeScript, isModule } from './import_module.js';
import { failureOf, withOwnModel, type ModelChoice } from './own_model.js';
import type { TrainConfig, TrainOptions } from './schema.js';
import type { ResolvedConfig } from './resolve.js';
import { resolveConfig } from './resolve.js';
import type { Override } from './overrides.js';

/**
 * Reads a configuration and resolves it, its own model constructed. A TypeScript file is given by hand, and so is what it names. Throws
 * `config/unreadable`, what `resolveConfig` throws and what `withOwnModel` throws.
 */
export async function loadConfig(
  file: string,
  overrides: readonly Override[] = [],
  choice: ModelChoice = {},
): Promise<ResolvedConfig> {
  const resolved = resolveConfig(await readConfig(file), { overrides, source: relative('', file) || file });
  const { model } = resolved.config;
  if (model.family !== 'custom' || resolved.customModel === null)
    return withOwnModel(resolved, { ...choice, trust_code: choice.trust_code || isModule(file) }, file);
  // Only the file that constructed the model can construct it again.
  const module = resolve(file);
  return { ...resolved, config: { ...resolved.config, model: { ...model, module } }, modelFile: module };
}

/** What a file exports, unchecked. `.ts` files are compiled on the way, and executed. */
export async function readConfig(file: string): Promise<TrainOptions> {
  if (!existsSync(file)) throw configUnreadable({ file, problem: 'there is no such file' });
  if (isModule(file)) return importDefault(file);
  const parse = formatOf(extname(file));
  if (parse) return readData(file, parse);
  throw configUnreadable({ file, problem: `files that end in '${extname(file)}' are not read as configurations` });
}

/** What a JSON file holds, unchecked. Throws `config/unreadable`. */
export const readJsonConfig = (file: string): TrainOptions => readData(file, parseJsonText);

function readData(file: string, parse: (text: string) => unknown): TrainOptions {
  try {
    return parse(readText(file)) as TrainOptions;
  } catch (error) {
    throw configUnreadable({ file, problem: (error as Error).message }, { cause: error });
  }
}

/** The text of `config.json`: a configuration that `flotilla train` takes like any other. */
export const configText = (config: TrainConfig): string => `${JSON.stringify(config, null, 2)}\n`;

/** SHA-256 of a configuration: equal for equal fields, whatever their order in the file. */
export const configHash = (config: TrainConfig): string =>
  createHash('sha256').update(canonicalJson(config)).digest('hex');

async function importDefault(file: string): Promise<TrainOptions> {
  const module = await importTypeScript(resolve(file));
  const failure = failureOf(file, module);
  if (failure !== null) throw failure;
  if (module.exports.default !== undefined) return module.exports.default as TrainOptions;
  throw configUnreadable({
    file,
    problem: 'it has no default export',
    fix: 'write `export default { model: …, data: … }`; a script that calls train() itself is run with `npx tsx`',
  });
}
