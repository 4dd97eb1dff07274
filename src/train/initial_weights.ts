/** The weights that a new run begins with, where they are another run's. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  expectTensors,
  listCheckpoints,
  nodeDisk,
  openCheckpoint,
  openLatest,
  type Checkpoint,
} from '../checkpoint/index.js';
import { noCheckpoint } from '../checkpoint/diagnostics.js';
import { readConfig } from '../config/file.js';
import { resolveConfig } from '../config/resolve.js';
import type { LoadedProgram } from '../engine/engine.js';
import { nearest } from '../ir/diagnostic.js';
import { written } from '../ir/role.js';
import { shapeOf } from '../ir/type.js';
import type { LanguageModel } from '../nn/language_model.js';
import { describeParameters } from '../nn/trace.js';
import { RunFolder } from '../run/folder.js';
import { fileHash } from '../run/hash.js';
import { restoreTensors } from '../run/load_state.js';
import type { StateTensor } from '../run/state.js';
import type { TrainEvents } from './events.js';

export interface InitialRequest {
  /** A run folder, a folder of checkpoints, or a checkpoint. */
  readonly path: string;
  readonly model: LanguageModel;
  /** Element type of parameters. */
  readonly dtype: 'f32' | 'f64';
  /** Of the run that begins. */
  readonly tokenizerFile: string;
  readonly events: TrainEvents;
}

/**
 * The checkpoint that a path means, its content checked against the model; the one that is latest now stays the one that is meant.
 * Throws `checkpoint/…`.
 */
export async function findInitialWeights(request: InitialRequest): Promise<string> {
  const { path, model, dtype, tokenizerFile, events } = request;
  const weights = await openWeights(path);
  try {
    requireParameters(weights, model, dtype);
  } finally {
    await weights.close();
  }
  const tokenizer = [path, dirname(path), dirname(dirname(path))]
    .map((folder) => join(folder, 'tokenizer.json'))
    .find((file) => existsSync(file));
  if (tokenizer !== undefined && fileHash(tokenizer) !== fileHash(tokenizerFile)) {
    const message = `the weights of ${weights.path} were trained with another tokenizer than this run has, and read every token as something else; data.tokenizer.file=${tokenizer} takes theirs`;
    events.emit({ kind: 'warning', code: 'run/tokenizers-differ', message });
  }
  return weights.path;
}

/** Throws `checkpoint/tensors-differ` where a checkpoint's parameters are another model's. `dtype`: their element type. */
export function requireParameters(checkpoint: Checkpoint, model: LanguageModel, dtype: 'f32' | 'f64'): void {
  const parameters = describeParameters(model, dtype);
  expectTensors(
    checkpoint,
    parameters.map(({ name, type }) => ({ name: written(name), dtype: type.dtype, shape: shapeOf(type) })),
    'parameter',
  );
}

/** Whether a checkpoint has the parameters of a model, in name and shape, whatever their element type. */
export function hasParameters(checkpoint: Checkpoint, model: LanguageModel): boolean {
  const names = checkpoint.names('parameter');
  const parameters = describeParameters(model);
  return (
    names.length === parameters.length &&
    parameters.every(
      ({ name, type }) =>
        checkpoint.has(written(name)) && String(checkpoint.tensor(written(name)).shape) === String(shapeOf(type)),
    )
  );
}

/** Reads the parameters of a checkpoint into a program; what belongs to the optimizer stays as it is. */
export async function loadWeights(
  program: LoadedProgram,
  tensors: readonly StateTensor[],
  path: string,
): Promise<void> {
  const weights = await openCheckpoint(nodeDisk, path, { verify: 'structure' });
  try {
    const parameters = tensors.filter(({ kind }) => kind === 'parameter');
    await restoreTensors(program, parameters, weights);
  } finally {
    await weights.close();
  }
}

/** Throws `checkpoint/…`. */
async function openWeights(path: string): Promise<Checkpoint> {
  if (existsSync(join(path, 'manifest.json'))) return openCheckpoint(nodeDisk, path);
  const file = join(path, 'config.json');
  if (existsSync(file)) {
    const { config } = resolveConfig(await readConfig(file), { source: file });
    return openLatest(nodeDisk, new RunFolder(path).checkpoints(config));
  }
  const isThere = existsSync(path);
  if (isThere && (await listCheckpoints(nodeDisk, path)).length > 0) return openLatest(nodeDisk, path);
  throw noCheckpoint({ directory: path, isThere, instead: insteadOf(path) });
}

/** None where it is no folder that can be read. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** What the path of weights is to name. */
function insteadOf(path: string): string {
  const [parent, wanted] = [dirname(path), basename(path)];
  const beside = namesIn(parent);
  const near = existsSync(path) ? null : nearest(wanted, beside);
  const kind = 'set checkpoint.initial_load_path to a run folder, or to one checkpoint in its checkpoints/';
  return near === null ? kind : `did you mean '${join(parent, near)}'? ${kind}`;
}
