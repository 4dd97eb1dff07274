/**
 * Models of a user's own: those that no configuration describes, because only their code can construct them.
 *
 * Code is executed where the user names it or has trained with it, and never because somebody's file names it.
 */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LanguageModel } from '../nn/language_model.js';
import { modelLine } from '../nn/model_line.js';
import { codeNotTrusted, configUnreadable, customModelLost, noModelExported } from './diagnostics.js';
import { importTypeScript, isModule, type ImportedModule } from './import_module.js';
import { isDiagnostic } from './is_diagnostic.js';
import { resolveConfig, type ResolvedConfig } from './resolve.js';
import { isTrusted } from './trusted_modules.js';

/** Which model a command takes, where its configuration does not describe one, and whose word its code is executed on. */
export interface ModelChoice {
  /** A model object, or the file that exports it: given by hand, so its code is trusted. */
  readonly model?: LanguageModel | string;
  /** Execute the module that a run folder or a JSON configuration names, whoever wrote it. */
  readonly trust_code?: boolean;
}

/**
 * A resolved configuration with its own model constructed, where it has one. `source`: the file that the configuration comes from, which
 * relative modules in it are found from. Throws `config/code-not-trusted`, `config/custom-model-lost`, `config/no-model-exported`,
 * `config/unreadable`, `config/called-while-imported`.
 */
export async function withOwnModel(
  resolved: ResolvedConfig,
  { model: given, trust_code = false }: ModelChoice,
  source: string,
): Promise<ResolvedConfig> {
  if (given !== undefined && typeof given !== 'string') return withModel(resolved, given, null, source);
  const { model: described } = resolved.config;
  const name = described.family === 'custom' ? described.name : null;
  if (given !== undefined) {
    const file = resolve(given);
    return withModel(resolved, await importModel(file, name), file, source);
  }
  if (described.family !== 'custom' || resolved.customModel !== null) return resolved;
  if (described.module === null)
    throw customModelLost({ name: described.name, module: null, problem: 'a script gave it to train() as an object' });
  const file = resolve(dirname(source), described.module);
  if (!existsSync(file) || !isModule(file)) {
    const problem = existsSync(file) ? 'what it names is no TypeScript file' : 'there is no such file';
    throw customModelLost({ name: described.name, module: file, problem });
  }
  if (!trust_code && !isTrusted(file)) throw codeNotTrusted({ module: file, source });
  return withModel(resolved, await importModel(file, name), file, source);
}

/** `file`: the module that constructs the model; null where a script gave it as an object. */
function withModel(
  { config, warnings }: ResolvedConfig,
  model: LanguageModel,
  file: string | null,
  source: string,
): ResolvedConfig {
  // What was filled in is told once: here every field is there.
  const resolved = { ...resolveConfig({ ...config, model }, { source }), warnings };
  const [before, now] = [config.model, resolved.config.model];
  const kind = (one: typeof now) => (one.family === 'custom' ? one.name : one.family);
  if (kind(before) !== kind(now)) {
    const problem = `${file ?? 'the model given'} is a ${kind(now)}, and the configuration's is a ${kind(before)}`;
    throw customModelLost({ name: kind(before), module: file, problem });
  }
  if (now.family !== 'custom') return { ...resolved, customModel: null, modelFile: null };
  return {
    ...resolved,
    config: { ...resolved.config, model: { ...now, module: file } },
    customModel: model,
    modelFile: file,
  };
}

/**
 * The model that a module exports: its default export or the `model` of it, or its export `model`; of a script that trains, which is
 * stopped there, the model that it was going to train. `name`: the class that is looked for; null: any. Throws
 * `config/no-model-exported`, `config/called-while-imported`, and diagnostics that the module throws.
 */
export async function importModel(file: string, name: string | null): Promise<LanguageModel> {
  if (!existsSync(file)) throw noModelExported({ file, problem: 'there is no such file', fix: nameModel });
  if (!isModule(file)) throw noModelExported({ file, problem: 'it is no TypeScript file', fix: nameModel });
  const module = await importTypeScript(file);
  const exported = module.exports.default;
  const candidates = [
    exported,
    typeof exported === 'object' && exported !== null ? Reflect.get(exported, 'model') : null,
    module.exports.model,
    ...module.refused.map(({ model }) => model),
  ].filter((value) => value instanceof LanguageModel);
  const [first] = candidates;
  const found = candidates.find((model) => model.constructor.name === name) ?? first;
  if (found !== undefined) return found;
  throw (
    failureOf(file, module, noModelOf) ??
    noModelExported({ file, problem: 'neither its default export nor an export `model` is one' })
  );
}

const noModelOf: Failed = (p, cause) =>
  noModelExported({ ...p, fix: 'mend what fails in it: it is run to its end' }, cause);

const nameModel = 'name the TypeScript file that exports the model, or the script that trained it';

type Failed = (p: { readonly file: string; readonly problem: string }, cause: ErrorOptions) => Error;

/** Why a module is of no use, where it trains or fails (`failed`); null where it ran to its end. */
export function failureOf(
  file: string,
  { refused, failure }: ImportedModule,
  failed: Failed = configUnreadable,
): Error | null {
  if (refused.length > 0) return refused[0].error;
  if (failure === null) return null;
  // A diagnostic thrown while the module builds its model says more than that the file failed.
  if (isDiagnostic(failure)) return failure;
  const line = failure instanceof Error ? modelLine(failure.stack ?? '') : null;
  const place = line === null ? '' : ` at ${line}`;
  const problem = `it fails when run${place}: ${failure instanceof Error ? failure.message : String(failure)}`;
  return failed({ file, problem }, { cause: failure });
}
