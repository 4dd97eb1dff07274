/**
 * What makes a model the same one: its class and options, the text of its module, and above all what it computes, the forward that it
 * traces. Shapes do not tell: other heads, another rotary base, dropout or activation load the same weights.
 */
import { existsSync, readFileSync } from 'node:fs';
import { canonicalJson } from '../checkpoint/manifest.js';
import { modelConfig } from '../config/model_objects.js';
import { isPlain, textOf } from '../options/plain.js';
import type { TrainConfig } from '../config/schema.js';
import { moduleHash } from '../config/trusted_modules.js';
import { printGraph } from '../ir/print.js';
import type { LanguageModel } from '../nn/language_model.js';
import { traceModel } from '../nn/trace.js';
import { modelDiffers } from './diagnostics.js';
import type { RunFolder } from './folder.js';
import { textHash } from './hash.js';
import { packageVersion } from './package_version.js';
import type { ModelRecord } from './record.js';

export interface ModelIdentity {
  readonly record: ModelRecord;
  /** The forward of one sequence in training, as `ir/print.ts` writes it: the text of model.ir. */
  readonly forward: string;
}

/** Throws what tracing it does. */
export function identifyModel(model: LanguageModel, config: Pick<TrainConfig, 'model' | 'data'>): ModelIdentity {
  const shape = { batch: 1, sequence: model.options.context, documents: config.data.documents };
  const forward = printGraph(traceModel(model, shape).graph);
  return {
    record: {
      options: optionsOf(model, config.model),
      module_sha256: ownModuleHash(config.model),
      forward_sha256: textHash(forward),
      traced_by: packageVersion(),
    },
    forward,
  };
}

/**
 * How the model that a run would go on with, or sample from, differs from the one that it has trained; none where it is the same.
 * `loads`: whether it can take the run's weights. Throws `run/model-differs` unless a change is accepted.
 */
export function requireModel(
  folder: RunFolder,
  before: ModelRecord,
  now: ModelIdentity,
  { accept, loads }: { readonly accept: boolean; readonly loads: () => boolean },
): readonly string[] {
  const differences = modelDifferencesOf(folder, before, now);
  if (differences.length > 0 && !accept) throw modelDiffers({ path: folder.path, differences, loads: loads() });
  return differences;
}

/** How a model differs from the one that a run has trained, a sentence each; none where it is the same. */
export function modelDifferencesOf(folder: RunFolder, before: ModelRecord, now: ModelIdentity): readonly string[] {
  const file = folder.file('model.ir');
  return modelDifferences(before, existsSync(file) ? readFileSync(file, 'utf8') : null, now);
}

/**
 * How a model differs from the one that a run was begun with, a sentence each; none where it is the same. `forward`: model.ir of the
 * run, or null where that is lost.
 */
function modelDifferences(before: ModelRecord, forward: string | null, now: ModelIdentity): readonly string[] {
  const fields = fieldDifferences('model', before.options, now.record.options);
  if (fields.length > 0) return fields;
  const { record } = now;
  if (before.traced_by !== record.traced_by) {
    // Another version may write the same forward otherwise: the text of an own model is what is left to compare.
    const edited = before.module_sha256 !== null && before.module_sha256 !== record.module_sha256;
    return edited ? ['its module has been edited'] : [];
  }
  if (before.forward_sha256 === record.forward_sha256) return [];
  return [`what it computes: ${firstDifference(forward, now.forward)}`];
}

/** Every option with a value, as plain data. */
function optionsOf(model: LanguageModel, config: TrainConfig['model']): ModelRecord['options'] {
  const options = config.family === 'custom' ? modelConfig(model) : { ...config, vocab: model.options.vocab };
  return JSON.parse(JSON.stringify(options)) as ModelRecord['options'];
}

/** Of the module of an own model, with what it imports by path. */
const ownModuleHash = (config: TrainConfig['model']): string | null =>
  config.family === 'custom' && config.module !== null ? moduleHash(config.module) : null;

function fieldDifferences(path: string, before: unknown, now: unknown): readonly string[] {
  if (canonicalJson(before) === canonicalJson(now)) return [];
  if (!isPlain(before) || !isPlain(now)) return [`${path} is ${textOf(now)}, and the run's is ${textOf(before)}`];
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return names.flatMap((name) => fieldDifferences(`${path}.${name}`, before[name], now[name]));
}

/** The first line that two forwards do not share. */
function firstDifference(before: string | null, now: string): string {
  if (before === null) return 'another forward';
  const [old, lines] = [before.split('\n'), now.split('\n')];
  const at = lines.findIndex((line, i) => line !== old[i]);
  const shown = (line: string | undefined) => `'${(line ?? '').trim()}'`;
  return `${shown(lines[at])} where the run has ${shown(old[at])}`;
}
